/** Lists of boot files: where each is, where it goes, and how it is known to be right. */
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { isServedName } from '../disk/safe-path.js';
import { DepotError } from '../errors.js';
import { type Digest, digestOf } from '../oci/digest.js';

/** A signature by one of the keys in a file. */
export interface WantedSignature {
  readonly url: URL;
  /** Path of a file of certificates. */
  readonly keyring: string;
}

/** One file that is wanted. At least one of the two proofs is there. */
export interface BootFile {
  readonly url: URL;
  /** Below the assets, with `/` between its parts; safe as a path. */
  readonly path: string;
  readonly digest: Digest | undefined;
  readonly signature: WantedSignature | undefined;
}

const hex = (digits: number) =>
  z.string().regex(new RegExp(`^[0-9a-fA-F]{${digits}}$`), `expected ${digits} hex digits`);
const address = () =>
  z.string().refine(isPlainUrl, 'expected an http or https address without a name or password in it');

const ENTRY = z.strictObject({
  url: address(),
  to: z.string().optional(),
  sha256: hex(64).optional(),
  sha512: hex(128).optional(),
  signature: address().optional(),
  key: z.string().optional(),
});
const LIST = z.union([
  z.array(ENTRY).transform((files) => ({ files, key: undefined })),
  z.strictObject({ key: z.string().optional(), files: z.array(ENTRY) }),
]);

type Entry = z.output<typeof ENTRY>;

/**
 * Reads a list. A key is a path from the folder of the list; `key` beside `files` is that of all files with a signature.
 * Where only a key is given, the signature is at the file's address with `.sig`.
 *
 * @param text - YAML
 * @param path - of the list
 * @throws DepotError `USAGE`: with the line's number; also for a file without a checksum or a signature, and for two files
 *   that would have one path
 */
export function parseBootList(text: string, path: string): BootFile[] {
  let raw: unknown;
  try {
    // Every value is a text: some digests look like numbers.
    raw = parse(text, { schema: 'failsafe' });
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n', 1);
    throw new DepotError('USAGE', `${path}: ${reason}`);
  }
  const parsed = LIST.safeParse(raw);
  if (!parsed.success) throw new DepotError('USAGE', `${path}: ${describe(parsed.error)}`);
  const { key, files } = parsed.data;
  const all = files.map((entry, index) =>
    fileOf(entry, { key, folder: dirname(path), name: `${path}: file ${index + 1}` }),
  );
  const paths = all.map((file) => file.path);
  const twice = paths.find((each, index) => paths.indexOf(each) !== index);
  if (twice !== undefined) throw new DepotError('USAGE', `${path}: two files would be ${twice}`);
  return all;
}

interface ListContext {
  /** Of all files. */
  readonly key: string | undefined;
  /** What keys are relative to. */
  readonly folder: string;
  /** The entry, for messages. */
  readonly name: string;
}

function fileOf(entry: Entry, context: ListContext): BootFile {
  const { name, folder } = context;
  const { sha256, sha512 } = entry;
  const digest =
    sha512 === undefined
      ? sha256 && digestOf('sha256', sha256.toLowerCase())
      : digestOf('sha512', sha512.toLowerCase());
  const key = entry.key ?? (entry.signature === undefined && digest !== undefined ? undefined : context.key);
  if (entry.signature !== undefined && key === undefined) {
    throw new DepotError('USAGE', `${name}: a signature needs a key: a file of certificates`);
  }
  if (digest === undefined && key === undefined) {
    throw new DepotError('USAGE', `${name}: expected sha256, sha512, or the key that signed it`);
  }
  const url = new URL(entry.url);
  const signature =
    key === undefined
      ? undefined
      : { url: new URL(entry.signature ?? besideOf(url)), keyring: resolve(folder, key) };
  return { url, path: pathOf(entry.to ?? '', url, name), digest: digest || undefined, signature };
}

function besideOf(url: URL): string {
  const beside = new URL(url);
  beside.pathname += '.sig';
  return beside.href;
}

/** What ends in a slash is a folder. */
function pathOf(to: string, url: URL, name: string): string {
  const last = decodeURIComponent(url.pathname.slice(url.pathname.lastIndexOf('/') + 1));
  const path = to === '' || to.endsWith('/') ? `${to}${last}` : to;
  const parts = path.split('/');
  if (parts.every((part) => part !== '' && isServedName(part) && !part.includes('\0'))) return path;
  throw new DepotError(
    'USAGE',
    `${name}: expected a path below the assets without names that begin with a dot, got ${path}`,
  );
}

function isPlainUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, pathname } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '' && isEncoded(pathname);
}

function isEncoded(path: string): boolean {
  try {
    return !decodeURIComponent(path).includes('\0');
  } catch {
    return false;
  }
}

/** Of the two forms a list may have, that which was meant says what is wrong. */
function describe(error: z.ZodError): string {
  const [first] = error.issues;
  const branches = first?.code === 'invalid_union' ? first.errors : [];
  const issue = branches.flat().sort((one, other) => other.path.length - one.path.length)[0] ?? first;
  return `${issue?.path.join('.') || 'the list'}: ${issue?.message ?? 'unexpected'}`;
}
