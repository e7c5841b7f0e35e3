/** The archive as it is written: cut into blocks that are hashed here, compressed on other threads, written in order. */
import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { BLOCK_SIZE, BLOCKS_AT_ONCE, gzipBlock } from '../stream/gzip-blocks.js';
import { END_MARK } from '../stream/tar-writer.js';

/** How an archive is compressed. */
export interface OutputForm {
  readonly compression: 'gzip' | 'none';
  /** Of gzip, 1 to 9. */
  readonly level: number;
}

/** What was written. */
export interface WrittenBytes {
  /** SHA-512 of the archive before compression, hex. */
  readonly tarHash: string;
  readonly tarBytes: number;
  readonly fileBytes: number;
  /** Has eaten the file; not ended. */
  readonly fileHash: Hash;
}

/** Takes the bytes of an archive in any cut. */
export class Output {
  readonly #file: FileHandle;
  readonly #form: OutputForm;
  readonly #tarHash = createHash('sha512');
  readonly #fileHash: Hash;
  readonly #spare: Buffer[] = [];
  readonly #full: Buffer[] = [];
  /** What is being compressed, oldest first. */
  readonly #packing: Promise<{ readonly packed: Uint8Array; readonly block: Buffer }>[] = [];
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_SIZE);
  #used = 0;
  #tarBytes = 0;
  #fileBytes = 0;

  /** @param hashName - with which the file is hashed, such as `sha512` */
  constructor(file: FileHandle, form: OutputForm, hashName: string) {
    this.#file = file;
    this.#form = form;
    this.#fileHash = createHash(hashName);
  }

  /** Takes bytes; they are copied, and written by the next {@link settle}. */
  add(bytes: Buffer): void {
    this.#tarBytes += bytes.length;
    for (let offset = 0; offset < bytes.length; ) {
      const copied = bytes.copy(this.#block, this.#used, offset);
      offset += copied;
      this.#used += copied;
      if (this.#used === BLOCK_SIZE) this.#nextBlock();
    }
  }

  /** Puts away the full blocks. Waits only while more are being compressed than there are threads for it. */
  async settle(): Promise<void> {
    for (let block = this.#full.shift(); block !== undefined; block = this.#full.shift()) {
      this.#tarHash.update(block);
      const packing = this.#pack(block);
      // Whoever waits for it hears of a failure; until then it is not an unhandled one.
      packing.catch(() => undefined);
      this.#packing.push(packing);
      while (this.#packing.length >= BLOCKS_AT_ONCE) await this.#writeOldest();
    }
  }

  /** Ends the archive and writes what is left. */
  async end(): Promise<WrittenBytes> {
    this.add(END_MARK);
    if (this.#used > 0) this.#full.push(this.#block.subarray(0, this.#used));
    await this.settle();
    while (this.#packing.length > 0) await this.#writeOldest();
    return {
      tarHash: this.#tarHash.digest('hex'),
      tarBytes: this.#tarBytes,
      fileBytes: this.#fileBytes,
      fileHash: this.#fileHash,
    };
  }

  #nextBlock(): void {
    this.#full.push(this.#block);
    this.#block = this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_SIZE);
    this.#used = 0;
  }

  async #pack(block: Buffer): Promise<{ readonly packed: Uint8Array; readonly block: Buffer }> {
    const packed = this.#form.compression === 'none' ? block : await gzipBlock(block, this.#form.level);
    return { packed, block };
  }

  async #writeOldest(): Promise<void> {
    const oldest = await this.#packing.shift();
    if (oldest === undefined) return;
    const { packed, block } = oldest;
    this.#fileHash.update(packed);
    this.#fileBytes += packed.length;
    await this.#file.writeFile(packed);
    if (block.length === BLOCK_SIZE) this.#spare.push(block);
  }
}
