/** Room on a disk that nobody sees and that is gone with the process, however it ends. */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../errors.js';
import { temporaryName } from './atomic-file.js';

/**
 * Opens an empty file that has no name any more; closing it gives its room back.
 *
 * @param folder - in whose file system it is; must exist
 * @throws DepotError `ACCESS_DENIED`, `NOT_FOUND`, `DISK_FULL`, `IO_FAILED`
 */
export async function createScratchFile(folder: string): Promise<FileHandle> {
  const path = join(folder, temporaryName());
  try {
    const handle = await open(path, 'wx+', 0o600);
    await rm(path, { force: true });
    return handle;
  } catch (error) {
    throw fileError(error, folder);
  }
}
