/** Link files: a digest as text without a newline, the way the reference registry says what belongs where. */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { systemCode } from '../errors.js';
import { type Digest, isDigest } from '../oci/digest.js';

/**
 * Reads a link. One that is empty or broken, as a crash of the reference leaves it, counts as absent.
 *
 * @throws the error of the system for anything but a missing file
 */
export async function readLink(path: string): Promise<Digest | undefined> {
  try {
    const text = (await readFile(path, 'latin1')).trim();
    return isDigest(text) ? text : undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}

/**
 * Writes a link and makes it durable, with the folders above it. A link that says this already is left alone.
 *
 * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function writeLink(path: string, digest: Digest): Promise<void> {
  if ((await readLink(path)) === digest) return;
  await makeDurableFolder(dirname(path));
  await writeFileAtomically(path, digest);
}
