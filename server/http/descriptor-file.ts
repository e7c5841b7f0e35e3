/** An open file by its bare descriptor, for answers that are begun without leaving the turn of the event loop. */
import { closeSync, constants, fstatSync, openSync, read, type Stats } from 'node:fs';
import { promisify } from 'node:util';

/** What a transfer needs of an open file; a `FileHandle` is one. */
export interface ReadableFile {
  readonly fd: number;
  read(at: ReadRequest): Promise<{ readonly bytesRead: number }>;
  /** Waits for reads that are under way: a descriptor that is closed may belong to another file at once. */
  close(): Promise<void>;
}

/** Where the bytes are, and where they go to. */
export interface ReadRequest {
  readonly buffer: Buffer;
  readonly length: number;
  /** Bytes from the file's start. */
  readonly position: number;
}

const readDescriptor = promisify(read);

/** A file that was opened by {@link openNow}. */
export class DescriptorFile implements ReadableFile {
  readonly fd: number;
  readonly #reads = new Set<Promise<unknown>>();

  constructor(fd: number) {
    this.fd = fd;
  }

  async read({ buffer, length, position }: ReadRequest): Promise<{ readonly bytesRead: number }> {
    const reading = readDescriptor(this.fd, buffer, 0, length, position);
    this.#reads.add(reading);
    try {
      return await reading;
    } finally {
      this.#reads.delete(reading);
    }
  }

  async close(): Promise<void> {
    if (this.#reads.size > 0) await Promise.allSettled(this.#reads);
    // Nothing was written, so nothing waits for a disk here: to wake another thread would cost ten times as much.
    closeSync(this.fd);
  }
}

/**
 * Opens a file for reading without waiting: only for one that was open a moment ago, so that its folder is in memory.
 * A fifo that took its place does not block.
 *
 * @throws errors of the system
 */
export function openNow(path: string): { readonly file: DescriptorFile; readonly stats: Stats } {
  const file = new DescriptorFile(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
  try {
    return { file, stats: fstatSync(file.fd) };
  } catch (error) {
    file.close().catch(() => undefined);
    throw error;
  }
}
