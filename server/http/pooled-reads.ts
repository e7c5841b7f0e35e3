/** File bodies by way of user memory: where the kernel cannot do it alone (TLS, other systems, no koffi). */
import type { Transfer } from './transfer.js';

const LARGE_BYTES = 512 * 1024;
const SMALL_BYTES = 16 * 1024;
const POOL_BUFFERS = 64;
/** A client that takes a buffer within this time is worth a large one. */
const QUICK_MS = 50;

/** Sends the body of a transfer by reading the file piece by piece. */
export type PooledReads = (transfer: Transfer) => void;

/** Large buffers that all clients share; who finds none takes a small one of its own. */
class BufferPool {
  readonly #free: Buffer[] = [];
  #made = 0;

  take(large: boolean): Buffer {
    const free = large ? this.#free.pop() : undefined;
    if (free !== undefined) return free;
    if (!large || this.#made === POOL_BUFFERS) return Buffer.allocUnsafeSlow(SMALL_BYTES);
    this.#made += 1;
    return Buffer.allocUnsafeSlow(LARGE_BYTES);
  }

  give(buffer: Buffer): void {
    if (buffer.length === LARGE_BYTES) this.#free.push(buffer);
  }
}

/** What is to be written next, and the pool's buffer it lies in, if it does. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly buffer?: Buffer;
}

/**
 * Makes the sender. A quick client is served from large buffers, two deep (one is read while the other leaves); a
 * slow one holds a single small buffer, so that thousands of them cost little.
 */
export function createPooledReads(): PooledReads {
  const pool = new BufferPool();
  return (transfer) => {
    pump(transfer, pool).catch(() => transfer.cut());
  };
}

async function pump(transfer: Transfer, pool: BufferPool): Promise<void> {
  let quick = false;
  let ahead: Promise<Piece | undefined> | undefined;
  while (!transfer.ended) {
    const piece = await (ahead ?? read(transfer, pool, quick));
    if (piece === undefined) {
      transfer.complete();
      return;
    }
    ahead = quick ? read(transfer, pool, quick) : undefined;
    ahead?.catch(() => undefined);
    const started = performance.now();
    await new Promise<void>((resolve) => transfer.write(piece.bytes, resolve));
    quick = performance.now() - started < QUICK_MS;
    if (piece.buffer !== undefined) pool.give(piece.buffer);
  }
  const unused = await ahead?.catch(() => undefined);
  if (unused?.buffer !== undefined) pool.give(unused.buffer);
}

/** The next piece of the body, or `undefined` after the last. Cuts the transfer when the file has become shorter. */
async function read(transfer: Transfer, pool: BufferPool, quick: boolean): Promise<Piece | undefined> {
  while (transfer.remaining === 0) {
    const part = transfer.next();
    if (part === undefined) return undefined;
    if (part !== 'piece') return { bytes: part };
  }
  const buffer = pool.take(quick && transfer.remaining > SMALL_BYTES);
  const length = Math.min(buffer.length, transfer.remaining);
  const { position } = transfer;
  try {
    const { bytesRead } = await transfer.file.read({ buffer, position, length });
    if (bytesRead === length && transfer.mayLeave(length)) {
      transfer.advance(length);
      return { bytes: buffer.subarray(0, length), buffer };
    }
  } catch {
    // The file cannot be read to its end: the same as a file that became shorter.
  }
  pool.give(buffer);
  transfer.cut();
  return undefined;
}
