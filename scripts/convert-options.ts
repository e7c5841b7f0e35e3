/** What `convert` reads from its flags. */
import { readFile } from 'node:fs/promises';
import {
  DepotError,
  fileError,
  type ImageReference,
  type NameStyle,
  type Platform,
  parseImageReference,
  parsePlatform,
} from '../server/index.js';
import type { AssetsFlags } from './assets-options.js';

/** The flags as commander hands them over. */
export interface ConvertFlags extends AssetsFlags {
  readonly to?: string;
  readonly data?: string;
  readonly from?: string;
  readonly insecure?: true;
  readonly platform?: string;
  readonly compress?: string;
  readonly level?: string;
  readonly name?: string;
  readonly docker2aciNames?: true;
  /** `false` after `--no-sign`, otherwise `true`. */
  readonly sign: boolean;
  readonly nosquash?: true;
  readonly hash?: string;
  readonly passphraseFile?: string;
  readonly json?: true;
}

/** What is to be made of each image. */
export interface ConvertWishes {
  readonly platform: Platform | undefined;
  readonly compression: 'gzip' | 'none';
  readonly level: number;
  readonly style: NameStyle;
  /** The name of the image, where it is given. */
  readonly reference: ImageReference | undefined;
  /** The name of the file, where it is given. */
  readonly file: string | undefined;
}

/**
 * Checks the flags.
 *
 * @throws DepotError `USAGE`: one of them, or one that is left out; `NAME_INVALID`, `TAG_INVALID`: `--name`
 */
export function parseConvertFlags(images: readonly string[], flags: ConvertFlags): ConvertWishes {
  if (flags.nosquash) {
    throw new DepotError(
      'USAGE',
      '--nosquash is left out: an image becomes one ACI, with all its layers in it',
    );
  }
  if (images.length === 0) {
    throw new DepotError('USAGE', "missing required argument 'image', or a list of some with --from");
  }
  if (flags.name !== undefined && images.length > 1) {
    throw new DepotError('USAGE', '--name: expected one image, or no name');
  }
  return {
    platform: flags.platform === undefined ? undefined : parsePlatform(flags.platform),
    compression: parseCompression(flags.compress),
    level: parseLevel(flags.level),
    style: flags.docker2aciNames ? 'docker2aci' : 'colon',
    ...parseName(flags.name),
  };
}

function parseCompression(text = 'gzip'): 'gzip' | 'none' {
  if (text === 'gzip' || text === 'none') return text;
  throw new DepotError('USAGE', `--compress: expected gzip or none, got ${text}`);
}

function parseLevel(text = '6'): number {
  if (/^[1-9]$/.test(text)) return Number(text);
  throw new DepotError('USAGE', `--level: expected a number from 1 to 9, got ${text}`);
}

function parseName(text: string | undefined): Pick<ConvertWishes, 'reference' | 'file'> {
  if (text === undefined) return { reference: undefined, file: undefined };
  if (text.includes('/')) return { reference: parseImageReference(text), file: undefined };
  if (text === '' || /^\.|[\\\p{C}]/u.test(text)) {
    throw new DepotError(
      'USAGE',
      `--name: expected the name of an image or of a file, got ${JSON.stringify(text)}`,
    );
  }
  return { reference: undefined, file: text.endsWith('.aci') ? text : `${text}.aci` };
}

/**
 * Reads a list of images, one a line. Empty lines count nothing, nor does what follows a `#` at the beginning of a line
 * or behind a blank.
 *
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function readImageList(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw fileError(error, path);
  });
  const lines = text.split(/\r?\n/).map((line) => line.replace(/(?:^|\s)#.*$/, '').trim());
  return lines.filter((line) => line !== '');
}
