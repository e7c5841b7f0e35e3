/** Removing folders so that they are gone at once: one rename, then the rest in peace. */
import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { fileError, systemCode } from '../errors.js';
import type { Layout } from './layout.js';

/**
 * Removes a file or a folder with all that is in it; a crash leaves it whole or gone. What is not there is gone already.
 *
 * @throws DepotError `ACCESS_DENIED`, `IO_FAILED`
 */
export async function throwAway(layout: Layout, path: string): Promise<void> {
  await makeDurableFolder(layout.own('trash'));
  const aside = layout.own('trash', randomUUID());
  try {
    await rename(path, aside);
    await syncFolder(dirname(path));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw fileError(error, path);
  }
  await rm(aside, { recursive: true, force: true });
}
