/** What a file needs to be vouched for. */
import { stat } from 'node:fs/promises';
import { DepotError, fileError } from '../errors.js';
import { isBootFile } from './boot-file.js';
import type { FoundFile } from './find-files.js';
import { isAciName, isChecksumsName, type SignatureEnding, signedNameOf } from './signature-name.js';

/** Something to do for one file. */
export interface SignTask {
  readonly path: string;
  /** Of the signature it needs; `undefined`: only a line in the checksum list. */
  readonly ending: SignatureEnding | undefined;
  /** Whether the user named this file, not a folder above it. */
  readonly named: boolean;
  readonly sizeBytes: number;
  /** Why it cannot be done. */
  readonly problem?: DepotError;
}

/**
 * Decides what to do for a file.
 *
 * @param boot - whether boot files are signed and checksum lists are kept
 * @returns `undefined`: nothing, as for signatures and checksum lists themselves
 */
export async function planTask(file: FoundFile, boot: boolean): Promise<SignTask | undefined> {
  const { path, name, named } = file;
  if (isChecksumsName(name) || signedNameOf(name) !== undefined) return undefined;
  if (!boot && !named && !isAciName(name)) return undefined;
  try {
    const ending = await endingFor(file, boot);
    const { size } = await stat(path);
    return { path, ending, named, sizeBytes: size };
  } catch (error) {
    return { path, ending: undefined, named, sizeBytes: 0, problem: fileError(error, path) };
  }
}

async function endingFor(
  { path, name, named }: FoundFile,
  boot: boolean,
): Promise<SignatureEnding | undefined> {
  if (isAciName(name)) return '.asc';
  if (!boot) {
    throw new DepotError('ACI_INVALID', `${path} is not named .aci: add --boot to sign a boot file`, {
      path,
    });
  }
  return named || (await isBootFile(path)) ? '.sig' : undefined;
}
