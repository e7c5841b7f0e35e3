/** The checksum list of a folder whose files were just signed. */
import { basename, join } from 'node:path';
import { sameVersion } from '../disk/file-version.js';
import { DepotError } from '../errors.js';
import { versionOf } from '../stream/hash-file.js';
import { type ListedFile, signChecksums } from './sign-checksums.js';
import { failureOf, type SignedFile, type Signing, untilUnchanged } from './sign-file.js';
import { CHECKSUMS_NAME } from './signature-name.js';

/** A file of the folder, and what came of it. */
export interface FolderFile {
  readonly path: string;
  readonly result: SignedFile | undefined;
}

/**
 * Brings the list of a folder up to date.
 *
 * @param files - all files that belong in the list
 * @param signAgain - does a file once more that has changed since it was signed, and notes the new result with it
 * @returns `undefined`: nothing to do now, because a file has not come to rest, or there is none to list
 * @throws DepotError `INTERRUPTED`
 */
export async function signFolder<File extends FolderFile>(
  signing: Signing,
  folder: string,
  files: readonly File[],
  signAgain: (file: File) => Promise<void>,
): Promise<SignedFile | undefined> {
  const path = join(folder, CHECKSUMS_NAME);
  let again = false;
  try {
    return await untilUnchanged(async () => {
      if (again) await signChanged(files, signAgain);
      again = true;
      if (files.some(isUnsettled)) return undefined;
      const listed = files.flatMap(listedFile);
      return listed.length === 0 ? undefined : await signChecksums(signing, folder, listed);
    });
  } catch (error) {
    return { path, ...failureOf(error, path) };
  }
}

function isUnsettled({ result }: FolderFile): boolean {
  return result === undefined || result.action === 'waiting';
}

async function signChanged<File extends FolderFile>(
  files: readonly File[],
  signAgain: (file: File) => Promise<void>,
): Promise<void> {
  for (const file of files) {
    const seen = file.result?.content?.version;
    const now = await versionOf(file.path).catch(() => undefined);
    if (seen === undefined || now === undefined || !sameVersion(seen, now)) await signAgain(file);
  }
}

/** What was refused is not vouched for, and what vanished needs no line; a file that failed is missed. */
function listedFile({ path, result }: FolderFile): ListedFile[] {
  if (result?.action === 'refused' || result?.code === 'NOT_FOUND') return [];
  const { version, sha256 } = result?.content ?? {};
  if (version === undefined || sha256 === undefined) {
    throw new DepotError('PARTIAL', `the list was not touched, because ${path} could not be read`);
  }
  return [{ path, name: basename(path), version, sha256 }];
}
