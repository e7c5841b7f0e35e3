/**
 * gzip of a stream that is cut into blocks of one size, each a member of its own: they are compressed on the threads
 * of the runtime's pool, and the bytes depend on nothing but content and level. RFC 1952, "members".
 */
import { availableParallelism } from 'node:os';
import { gzip } from 'node:zlib';

/** Bytes of content in a member: large enough that a fresh dictionary costs two parts in a thousand. */
export const BLOCK_SIZE: number = 1024 * 1024;

/** One more than there are processors, so that none waits for the next block. */
export const BLOCKS_AT_ONCE: number = availableParallelism() + 1;

/** The field "operating system" of a member's header. */
const SYSTEM_OFFSET = 9;
const UNKNOWN_SYSTEM = 255;

/**
 * Compresses one block, on another thread.
 *
 * @param block - not to be changed until the promise is settled
 * @param level - 1 (fast) to 9 (small)
 * @returns a whole member without name, time or system in its header
 */
export function gzipBlock(block: Uint8Array, level: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(block, { level, chunkSize: BLOCK_SIZE }, (error, member) => {
      if (error !== null) {
        reject(error);
        return;
      }
      member[SYSTEM_OFFSET] = UNKNOWN_SYSTEM;
      resolve(member);
    });
  });
}
