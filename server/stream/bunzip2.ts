/** bzip2, block by block, by the decoder inside the unbzip2-stream package. */
import { setImmediate } from 'node:timers/promises';
import { types } from 'node:util';
import bitIterator from 'unbzip2-stream/lib/bit_iterator.js';
import bzip2 from 'unbzip2-stream/lib/bzip2.js';
import { DepotError } from '../errors.js';

const BLOCK_UNIT = 100_000;
/** A block is decoded when this many bytes beyond its size are here: more than an honest one can grow. */
const BLOCK_SLACK = 25_000;
const HEADER_BYTES = 4;
const OUTPUT_CHUNK_BYTES = 1024 * 1024;

/**
 * Undoes bzip2, all streams of it. Holds one block of input and one of output, which is 47 MB for the worst block
 * that can be made and 0.9 MB for most; the event loop gets its turn between blocks.
 *
 * @throws DepotError `ARCHIVE_INVALID`: damaged, cut short, or followed by other bytes
 */
export async function* bunzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new BlockDecoder();
  for await (const chunk of source) {
    decoder.add(chunk);
    while (decoder.hasWholeBlock()) {
      yield* decoder.decode();
      await setImmediate();
    }
  }
  while (decoder.hasBytes()) {
    yield* decoder.decode();
    await setImmediate();
  }
  decoder.end();
}

class BlockDecoder {
  readonly #queue: Uint8Array[] = [];
  #bits: ReturnType<typeof bitIterator> | undefined;
  #addedBytes = 0;
  /** Of the stream that is being read, in units of 100,000 bytes; 0 between streams. */
  #blockSize = 0;
  #checksum = 0;
  #work = new Int32Array(0);

  add(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#addedBytes += chunk.length;
    this.#queue.push(chunk);
    this.#bits ??= bitIterator(() => this.#next());
  }

  hasWholeBlock(): boolean {
    const needed = this.#blockSize === 0 ? HEADER_BYTES : this.#blockSize * BLOCK_UNIT + BLOCK_SLACK;
    return this.#addedBytes - (this.#bits?.bytesRead ?? 0) >= needed;
  }

  hasBytes(): boolean {
    return this.#bits !== undefined && this.#addedBytes > this.#bits.bytesRead;
  }

  /** Reads a stream header, a block or the end of a stream; gives the block's bytes. */
  decode(): readonly Uint8Array[] {
    const output = new ByteCollector();
    try {
      this.#step(output);
    } catch (error) {
      throw damaged(types.isNativeError(error) ? error.message : String(error));
    }
    return output.finish();
  }

  end(): void {
    if (this.#bits === undefined || this.#blockSize !== 0) throw damaged(CUT_SHORT);
  }

  #step(output: ByteCollector): void {
    const bits = this.#bits;
    if (bits === undefined) throw damaged(CUT_SHORT);
    if (this.#blockSize === 0) {
      this.#blockSize = bzip2.header(bits);
      this.#checksum = 0;
      const size = this.#blockSize * BLOCK_UNIT;
      if (this.#work.length !== size) this.#work = new Int32Array(size);
      return;
    }
    const checksum = bzip2.decompress(
      bits,
      (byte) => output.write(byte),
      this.#work,
      this.#work.length,
      this.#checksum,
    );
    if (checksum === null) this.#blockSize = 0;
    else this.#checksum = checksum;
  }

  #next(): Uint8Array {
    const buffer = this.#queue.shift();
    if (buffer === undefined) throw new Error(CUT_SHORT);
    return buffer;
  }
}

/** Takes single bytes, gives chunks. */
class ByteCollector {
  readonly #full: Uint8Array[] = [];
  #buffer = Buffer.alloc(0);
  #used = 0;

  write(byte: number): void {
    if (this.#used === this.#buffer.length) this.#grow();
    this.#buffer[this.#used] = byte;
    this.#used += 1;
  }

  finish(): readonly Uint8Array[] {
    return this.#used === 0 ? this.#full : [...this.#full, this.#buffer.subarray(0, this.#used)];
  }

  #grow(): void {
    if (this.#used > 0) this.#full.push(this.#buffer);
    this.#buffer = Buffer.allocUnsafe(OUTPUT_CHUNK_BYTES);
    this.#used = 0;
  }
}

const CUT_SHORT = 'cut short';

/** The library speaks of dinosaurs: only what a person can use of its messages is passed on. */
function damaged(reason: string): DepotError {
  const known =
    reason === CUT_SHORT || reason.includes('crc32') ? reason.replace('Error in bzip2: ', '') : '';
  return new DepotError('ARCHIVE_INVALID', `damaged bzip2 data${known === '' ? '' : `: ${known}`}`, {});
}
