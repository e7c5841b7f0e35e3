/** Writing pieces to an open file so that all of them are there. */
import type { FileHandle } from 'node:fs/promises';

/**
 * Writes pieces one behind the other, in one call where the system takes them all.
 *
 * @param position - of the first byte
 * @returns how many bytes they have
 * @throws the error of the system; some may have been written
 */
export async function writeAll(
  file: FileHandle,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<number> {
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  let { bytesWritten: done } = await file.writev([...chunks], position);
  if (done === bytes) return bytes;
  const all = Buffer.concat(chunks);
  while (done < bytes) done += (await file.write(all, done, bytes - done, position + done)).bytesWritten;
  return bytes;
}
