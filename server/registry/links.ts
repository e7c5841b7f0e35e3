/** Link files: a digest as text without a newline, the way the reference registry says what belongs where. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { foldersIn, makeDurableFolder } from '../disk/folders.js';
import { systemCode } from '../errors.js';
import { type Digest, isDigest } from '../oci/digest.js';
import type { Layout } from './layout.js';
import { takeLeases } from './leases.js';

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
 * Writes a link and makes it durable, with the folders above it. A link that says this already gets a new lease.
 *
 * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function writeLink(layout: Layout, path: string, digest: Digest): Promise<void> {
  await takeLeases(layout, [path]);
  if ((await readLink(path)) === digest) return;
  await makeDurableFolder(dirname(path));
  await makeDurableFolder(layout.stage);
  await writeFileAtomically(path, digest, { stage: layout.stage });
}

/** The digests that have a link below a folder such as `_layers`, by the links' places; what is in them is not read. */
export async function listLinks(folder: string): Promise<Digest[]> {
  const found: Digest[] = [];
  for (const algorithm of await foldersIn(folder)) {
    for (const hex of await foldersIn(join(folder, algorithm))) {
      const digest = `${algorithm}:${hex}`;
      if (isDigest(digest)) found.push(digest);
    }
  }
  return found;
}
