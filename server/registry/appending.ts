/** A stream on its way to the end of a file: while one piece is written it is hashed, and the next one is gathered. */
import type { Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { writeAll } from '../disk/write-all.js';
import { type DepotError, fileError } from '../errors.js';

/** Bytes that are gathered before they are written: a socket gives 64 KiB at a time, a disk likes more. */
const GATHER_BYTES = 1024 * 1024;
/** After so many bytes the disk is told to begin, so that it has little left to do at the end. */
const FLUSH_BYTES = 8 * GATHER_BYTES;

/** One append to one file. */
export class Appending {
  readonly #file: FileHandle;
  readonly #hash: Hash | undefined;
  #offset: number;
  #writing: Promise<void> = Promise.resolve();
  #flushing: Promise<void> | undefined;
  #flushed: number;
  #hashed: number;
  #lost: DepotError | undefined;

  /**
   * @param offset - where the file ends
   * @param hash - of the bytes until there, if it is to go on
   */
  constructor(file: FileHandle, offset: number, hash: Hash | undefined) {
    this.#file = file;
    this.#offset = offset;
    this.#flushed = offset;
    this.#hashed = offset;
    this.#hash = hash;
  }

  /** Where the file ends now. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether the hash is of what the file has: after a write that failed it is ahead. */
  get isHashed(): boolean {
    return this.#hashed === this.#offset;
  }

  /** Whether the disk has lost bytes that it had taken, any of those since the file was synced. */
  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /**
   * Appends all that comes. When the stream fails, what came until then is kept; when a write fails, what was there before
   * it. No write is under way when this ends.
   *
   * @throws DepotError `DISK_FULL`, `IO_FAILED`; whatever the stream throws
   */
  async all(body: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      await this.#take(body);
    } finally {
      await this.#flushing;
    }
    if (this.#lost !== undefined) throw this.#lost;
  }

  async #take(body: AsyncIterable<Uint8Array>): Promise<void> {
    let gathered: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const chunk of body) {
        gathered.push(chunk);
        bytes += chunk.length;
        if (bytes < GATHER_BYTES) continue;
        const full = gathered;
        gathered = [];
        bytes = 0;
        await this.#begin(full);
      }
    } finally {
      if (bytes > 0) await this.#begin(gathered);
      await this.#writing;
    }
  }

  /** Begins to write a piece once the one before it is written. */
  async #begin(chunks: readonly Uint8Array[]): Promise<void> {
    await this.#writing;
    this.#writing = this.#write(chunks);
    // Whoever waits for it next is told of a failure.
    this.#writing.catch(() => undefined);
    for (const chunk of chunks) {
      this.#hash?.update(chunk);
      this.#hashed += chunk.length;
    }
  }

  async #write(chunks: readonly Uint8Array[]): Promise<void> {
    try {
      this.#offset += await writeAll(this.#file, chunks, this.#offset);
    } catch (error) {
      await this.#file.truncate(this.#offset).catch(() => undefined);
      throw fileError(error, 'the upload');
    }
    if (this.#flushing !== undefined || this.#offset - this.#flushed < FLUSH_BYTES) return;
    this.#flushed = this.#offset;
    this.#flushing = this.#flush();
  }

  /** The kernel tells of lost bytes once, and perhaps here and not at the sync in the end. */
  async #flush(): Promise<void> {
    try {
      await this.#file.datasync();
    } catch (error) {
      this.#lost = fileError(error, 'the upload');
    }
    this.#flushing = undefined;
  }
}
