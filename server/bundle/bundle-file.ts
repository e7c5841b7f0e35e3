/** Where a bundle is written to: a file that becomes visible whole, parts of it, a device or a pipe. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createPendingFile, type PendingFile, removeStaleTemporaries } from '../disk/atomic-file.js';
import { freeBytes } from '../disk/free-space.js';
import { DepotError, fileError } from '../errors.js';

/** Takes the bytes of a bundle. Ends with `commit` or `discard`. */
export interface BundleSink {
  /** Makes sure, as far as that can be known, that so many bytes find room. */
  expect(bytes: number): Promise<void>;
  /** Settles when the bytes are written. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes everything durable, and visible where it was not. */
  commit(): Promise<void>;
  /** Leaves nothing, where that is possible. */
  discard(): Promise<void>;
}

/** The disk is told to begin after so many bytes, so that it has little left to do at the end. */
const FLUSH_BYTES = 32 * 1024 * 1024;

/** Parts have three digits, and their names sort. */
const MAX_PARTS = 999;

/**
 * Opens what a bundle is written to.
 *
 * @param path - a new file, or a device or a pipe that is there
 * @param partBytes - the file is cut into `path.001`, `path.002`, … of that size
 * @throws DepotError `USAGE`: a device and parts; `ACCESS_DENIED`, `NOT_FOUND` (no such folder), `DISK_FULL`, `IO_FAILED`
 */
export async function openBundleSink(path: string, partBytes?: number): Promise<BundleSink> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isDirectory()) throw new DepotError('USAGE', `${path} is a folder, expected a file`);
  if (info === undefined || info.isFile()) {
    // What a killed process was about to write is as large as a bundle.
    await removeStaleTemporaries(dirname(path)).catch(() => 0);
    return new FileSink(path, partBytes);
  }
  if (partBytes !== undefined) throw new DepotError('USAGE', `--split: ${path} is no file`);
  const handle = await open(path, 'r+').catch((error: unknown) => {
    throw fileError(error, path);
  });
  return new DeviceSink(handle, path);
}

/** A file, or parts of one, under temporary names until all of it is there. */
class FileSink implements BundleSink {
  readonly #path: string;
  readonly #partBytes: number;
  readonly #isSplit: boolean;
  readonly #parts: PendingFile[] = [];
  #room = 0;
  #unflushed = 0;
  #flushing: Promise<void> = Promise.resolve();

  constructor(path: string, partBytes: number | undefined) {
    this.#path = path;
    this.#isSplit = partBytes !== undefined;
    this.#partBytes = partBytes ?? Number.POSITIVE_INFINITY;
  }

  async expect(bytes: number): Promise<void> {
    const folder = dirname(this.#path);
    const free = await freeBytes(folder);
    if (free < bytes && free > 0) {
      throw new DepotError('DISK_FULL', `${folder} has ${free} bytes left, the bundle has ${bytes}`, {
        free,
        bytes,
      });
    }
    if (bytes > this.#partBytes * MAX_PARTS) {
      throw new DepotError('USAGE', `--split: expected parts so large that ${MAX_PARTS} of them will do`);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      const part = await this.#part();
      const piece = rest.subarray(0, Math.min(rest.length, this.#room));
      await writeAll(part.handle, piece, this.#path);
      this.#room -= piece.length;
      rest = rest.subarray(piece.length);
      await this.#flush(part, piece.length);
    }
  }

  async commit(): Promise<void> {
    await this.#flushing;
    try {
      for (const part of this.#parts) await part.settle();
      for (const part of this.#parts) await part.commit();
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }

  async discard(): Promise<void> {
    await this.#flushing.catch(() => undefined);
    for (const part of this.#parts) await part.discard();
  }

  async #part(): Promise<PendingFile> {
    const last = this.#parts.at(-1);
    if (last !== undefined && this.#room > 0) return last;
    await this.#flushing;
    const number = String(this.#parts.length + 1).padStart(3, '0');
    const part = await createPendingFile(this.#isSplit ? `${this.#path}.${number}` : this.#path);
    this.#parts.push(part);
    this.#room = this.#partBytes;
    return part;
  }

  /** The sync of the last bytes runs while the next ones are written. */
  async #flush({ handle }: PendingFile, bytes: number): Promise<void> {
    this.#unflushed += bytes;
    if (this.#unflushed < FLUSH_BYTES) return;
    this.#unflushed = 0;
    await this.#flushing;
    this.#flushing = handle.datasync().catch((error: unknown) => {
      throw fileError(error, this.#path);
    });
    this.#flushing.catch(() => undefined);
  }
}

/** A device, a fifo: bytes that were written stay written, but without an end mark they are no bundle. */
class DeviceSink implements BundleSink {
  readonly #handle: FileHandle;
  readonly #path: string;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  async expect(): Promise<void> {}

  write(bytes: Uint8Array): Promise<void> {
    return writeAll(this.#handle, bytes, this.#path);
  }

  async commit(): Promise<void> {
    // A pipe cannot be synced, and needs not.
    await this.#handle.sync().catch(() => undefined);
    await this.#handle.close();
  }

  async discard(): Promise<void> {
    await this.#handle.close();
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, path: string): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; ) {
      done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
    }
  } catch (error) {
    throw fileError(error, path);
  }
}
