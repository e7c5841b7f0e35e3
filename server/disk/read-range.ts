/** A part of an open file, read without moving its position, so that several can be read at once. */
import type { FileHandle } from 'node:fs/promises';
import { DepotError } from '../errors.js';

const READ_BYTES = 256 * 1024;

/**
 * Reads a part of a file; the handle stays open. Each chunk is the caller's.
 *
 * @param start - offset of the first byte
 * @param size - bytes
 * @throws DepotError `FILE_CHANGED`: the file ends before; whatever the system says
 */
export async function* readRange(handle: FileHandle, start: number, size: number): AsyncGenerator<Buffer> {
  for (let done = 0; done < size; ) {
    const chunk = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, size - done));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, start + done);
    if (bytesRead === 0) throw new DepotError('FILE_CHANGED', 'the file became shorter while it was read');
    done += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}
