/** A file that comes from a bundle: written aside, and not visible before somebody says so. */
import { createPendingFile, type PendingFile } from '../disk/atomic-file.js';
import { fileError } from '../errors.js';
import { Appending } from '../registry/appending.js';

/**
 * Writes all of a stream.
 *
 * @param path - of the file that it is to become
 * @param stage - where it is until then; by default beside it
 * @returns what is written and durable; it ends with `commit` or `discard`
 * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`; whatever the stream throws; nothing is left then
 */
export async function stageFile(
  path: string,
  body: AsyncIterable<Uint8Array>,
  stage?: string,
): Promise<PendingFile> {
  const pending = await createPendingFile(path, stage === undefined ? {} : { stage });
  try {
    await new Appending(pending.handle, 0, undefined).all(body);
    await pending.settle();
    return pending;
  } catch (error) {
    await pending.discard();
    throw fileError(error, path);
  }
}
