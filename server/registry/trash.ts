/** Removing folders so that they are gone at once: one rename, then the rest in peace. */
import { lstat, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder, temporaryName } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { fileError, systemCode } from '../errors.js';
import type { Layout } from './layout.js';

/**
 * Removes a file or a folder with all that is in it; a crash leaves it whole or gone. What is not there is gone already.
 *
 * @throws DepotError `ACCESS_DENIED`, `IO_FAILED`
 */
export async function throwAway(layout: Layout, path: string): Promise<void> {
  const aside = await setAside(layout, path);
  if (aside !== undefined) await rm(aside, { recursive: true, force: true });
}

/** Makes way for a file: a folder that has its name, by some accident, is removed. */
export async function makeWay(layout: Layout, path: string): Promise<void> {
  const info = await lstat(path).catch(() => undefined);
  if (info?.isDirectory()) await throwAway(layout, path);
}

/**
 * Gives a file its place. Most often its folder is there and nothing is in the way, so that is seen to only if it is not.
 *
 * @param move - a rename of the file to `path`; called again after a failure that could be mended
 * @throws DepotError as {@link makeDurableFolder}; whatever `move` throws
 */
export async function intoPlace(layout: Layout, path: string, move: () => Promise<void>): Promise<void> {
  try {
    await move();
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') await makeDurableFolder(dirname(path));
    else if (code === 'EISDIR') await makeWay(layout, path);
    else throw error;
    await move();
  }
}

/**
 * Takes a file or a folder out of its place at once, and durably.
 *
 * @returns where it is, to be removed in peace; `undefined`: it was not there
 * @throws DepotError `ACCESS_DENIED`, `IO_FAILED`
 */
export async function setAside(layout: Layout, path: string): Promise<string | undefined> {
  await makeDurableFolder(layout.own('trash'));
  const aside = layout.own('trash', temporaryName());
  try {
    await rename(path, aside);
    await syncFolder(dirname(path));
    return aside;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path);
  }
}
