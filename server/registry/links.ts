/** Link files: a digest as text without a newline, the way the reference registry says what belongs where. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createPendingFile, type PendingFile } from '../disk/atomic-file.js';
import { foldersIn, makeDurableFolder } from '../disk/folders.js';
import { fileError, isMissing, systemCode } from '../errors.js';
import { algorithmOf, type Digest, isDigest } from '../oci/digest.js';
import type { Layout } from './layout.js';
import { takeLeases } from './leases.js';
import { intoPlace } from './trash.js';

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
    if (isMissing(error) || systemCode(error) === 'EISDIR') return undefined;
    throw error;
  }
}

/**
 * Reads the link of a digest in its own place. The reference links a SHA-512 to the same bytes under their SHA-256; what names
 * other bytes of the same algorithm is broken, and counts as absent.
 *
 * @throws as {@link readLink}
 */
export async function readLinkOf(digest: Digest, path: string): Promise<Digest | undefined> {
  const linked = await readLink(path);
  if (linked === undefined || linked === digest) return linked;
  return algorithmOf(linked) === algorithmOf(digest) ? undefined : linked;
}

/**
 * Writes a link and makes it durable, with the folders above it. A link that says this already gets a new lease.
 *
 * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function writeLink(layout: Layout, path: string, digest: Digest): Promise<void> {
  await (await prepareLink(layout, path, digest)).commit();
}

/** A link that is written and durable, but not visible yet. */
export type PreparedLink = Pick<PendingFile, 'commit' | 'discard'>;

/**
 * The same in two steps, so that the first can be taken while something else is under way.
 *
 * @throws DepotError as {@link writeLink}
 */
export async function prepareLink(layout: Layout, path: string, digest: Digest): Promise<PreparedLink> {
  const isThere = await takeLeases(layout, [path]);
  if (isThere && (await readLink(path)) === digest) {
    return { commit: async () => {}, discard: async () => {} };
  }
  await Promise.all([makeDurableFolder(dirname(path)), makeDurableFolder(layout.stage)]);
  const pending = await createPendingFile(path, { stage: layout.stage });
  try {
    await pending.handle.writeFile(digest);
    await pending.settle();
  } catch (error) {
    await pending.discard();
    throw fileError(error, path);
  }
  return {
    async commit() {
      try {
        // The folder was empty since, which is what garbage looks like.
        await takeLeases(layout, [dirname(path)]);
        await intoPlace(layout, path, pending.commit);
      } catch (error) {
        await pending.discard();
        throw fileError(error, path);
      }
    },
    discard: pending.discard,
  };
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
