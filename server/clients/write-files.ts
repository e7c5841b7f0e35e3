/** Files below a folder, as they lie on a machine. */
import { dirname, join } from 'node:path';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { makeFolder } from '../disk/folders.js';
import { fileError } from '../errors.js';
import type { ClientFile } from './client-file.js';

/**
 * Writes files, each whole.
 *
 * @param root - stands for the root of the machine; it may be `/`
 * @returns where they are
 * @throws DepotError `ACCESS_DENIED`, `DISK_FULL`, `IO_FAILED`
 */
export async function writeClientFiles(
  root: string,
  files: readonly ClientFile[],
): Promise<readonly string[]> {
  const written: string[] = [];
  for (const { path, mode, content } of files) {
    const target = join(root, path);
    const first = join(root, path.startsWith('/') ? (path.split('/')[1] ?? '') : '');
    try {
      await makeFolder(dirname(target));
      // rkt stumbles over strange files among its keys, so a file gathers elsewhere in its file system.
      await writeFileAtomically(target, content, { mode, stage: first });
    } catch (error) {
      throw fileError(error, target);
    }
    written.push(target);
  }
  return written;
}
