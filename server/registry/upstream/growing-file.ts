/** A file that is written once and read meanwhile, by any number of readers at their own pace. */
import { type FileHandle, open } from 'node:fs/promises';
import { createPendingFile, type PendingFile } from '../../disk/atomic-file.js';
import { writeAll } from '../../disk/write-all.js';
import { DepotError, fileError } from '../../errors.js';

/** Bytes that a reader holds at a time: less when there are many of them. */
const PIECE_BYTES = 256 * 1024;
const SMALL_PIECE_BYTES = 64 * 1024;
const FEW_READERS = 16;
/** Bytes that wait at most while others are being written. */
const MOST_GATHERED_BYTES = 1024 * 1024;

/** Bytes on their way to the disk, and from it to readers as far as they were released. */
export class GrowingFile {
  readonly #pending: PendingFile;
  readonly #reading: FileHandle;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #writing: Promise<void> | undefined;
  #written = 0;
  /** Readers get nothing behind this. */
  #limit = 0;
  #released = 0;
  #readers = 0;
  #ended = false;
  #closed = false;
  #place: string;
  #state: 'growing' | 'whole' | 'failed' = 'growing';
  #failure: unknown;
  #wake: () => void = () => undefined;
  #news: Promise<void>;

  private constructor(pending: PendingFile, reading: FileHandle) {
    this.#pending = pending;
    this.#reading = reading;
    this.#place = pending.temporaryPath;
    this.#news = this.#nextNews();
  }

  /**
   * Begins a file.
   *
   * @param path - where it is to be in the end
   * @param stage - the folder where it is made, which exists
   * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
   */
  static async create(path: string, stage: string): Promise<GrowingFile> {
    const pending = await createPendingFile(path, { stage });
    return new GrowingFile(pending, await open(pending.temporaryPath, 'r'));
  }

  /** Where the bytes are. */
  get path(): string {
    return this.#place;
  }

  /** The bytes were moved. */
  movedTo(path: string): void {
    this.#place = path;
  }

  /**
   * Appends bytes. While some are being written the next are gathered, so that a slow disk is asked for more at a time, and
   * a quick one lets readers have each of them at once.
   *
   * @throws DepotError `DISK_FULL`, `IO_FAILED`; if not here, then later, or by {@link flush}
   */
  async append(chunk: Uint8Array): Promise<void> {
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.length;
    if (this.#writing === undefined) {
      this.#writing = this.#writeGathered();
      // Whoever waits for it next is told of a failure.
      this.#writing.catch(() => undefined);
    }
    if (this.#gatheredBytes >= MOST_GATHERED_BYTES) await this.#writing;
  }

  /**
   * Waits until all that was appended is written.
   *
   * @throws DepotError as {@link append}
   */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #writeGathered(): Promise<void> {
    while (this.#gathered.length > 0) {
      const chunks = this.#gathered;
      this.#gathered = [];
      this.#gatheredBytes = 0;
      try {
        this.#written += await writeAll(this.#pending.handle, chunks, this.#written);
      } catch (error) {
        throw fileError(error, 'what an upstream sends');
      }
      this.#letOut();
    }
    this.#writing = undefined;
  }

  /** Lets readers have what is written, but nothing behind `end`. */
  release(end: number): void {
    this.#limit = Math.max(this.#limit, end);
    this.#letOut();
  }

  #letOut(): void {
    this.#released = Math.max(this.#released, Math.min(this.#limit, this.#written));
    this.#tell();
  }

  /** Lets readers have everything: all of it is written, and known to be right. */
  complete(): void {
    this.#state = 'whole';
    this.release(this.#written);
  }

  /** Makes the bytes durable. */
  async sync(): Promise<void> {
    try {
      await this.#pending.handle.sync();
    } catch (error) {
      throw fileError(error, 'what an upstream sends');
    }
  }

  /** Ends the readers of a file that did not become whole; those of a whole one go on. */
  async end(failure: unknown): Promise<void> {
    await this.#writing?.catch(() => undefined);
    // Moved by now, if all went well; the readers' own handle keeps the bytes.
    await this.#pending.discard();
    this.#ended = true;
    if (this.#state === 'growing') {
      this.#state = 'failed';
      this.#failure = failure;
      this.#tell();
    }
    await this.#closeIfIdle();
  }

  /**
   * Reads a piece, as it comes.
   *
   * @param end - offset behind the last byte
   * @throws what the file was ended with
   */
  async *read(start: number, end: number): AsyncGenerator<Buffer> {
    // Who comes when all others have left has to open it again.
    const late = this.#closed ? await open(this.#place, 'r') : undefined;
    const handle = late ?? this.#reading;
    this.#readers += 1;
    try {
      for (let position = start; position < end; ) {
        await this.#until(position);
        const most = this.#readers > FEW_READERS ? SMALL_PIECE_BYTES : PIECE_BYTES;
        const length = Math.min(most, end - position, this.#released - position);
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position);
        if (bytesRead === 0) throw new DepotError('IO_FAILED', 'what an upstream sent became shorter');
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      this.#readers -= 1;
      await late?.close();
      await this.#closeIfIdle();
    }
  }

  async #until(position: number): Promise<void> {
    while (this.#released <= position) {
      if (this.#state === 'failed') throw this.#failure;
      await this.#news;
    }
  }

  #tell(): void {
    this.#wake();
    this.#news = this.#nextNews();
  }

  #nextNews(): Promise<void> {
    return new Promise((wake) => {
      this.#wake = wake;
    });
  }

  async #closeIfIdle(): Promise<void> {
    if (!this.#ended || this.#closed || this.#readers > 0) return;
    this.#closed = true;
    await this.#reading.close().catch(() => undefined);
  }
}
