/**
 * Hashing a file of any size in one pass and two small buffers: while one piece is hashed the next is read, so the
 * time is that of the slower of the two.
 */
import { createHash, type Hash } from 'node:crypto';
import { read } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import { openRegularFile } from '../disk/safe-path.js';
import { DepotError, fileError } from '../errors.js';

/**
 * Bytes in one piece: small enough that a server answers others between two of them (half a millisecond), large enough
 * that handing them from thread to thread is no work.
 */
const PIECE_BYTES = 512 * 1024;

/**
 * Change times of many file systems move in steps, of 4 ms or 10 ms mostly. A file is read only when its change time is
 * older than a step: any later change gives it another.
 */
const SETTLED_AFTER_MS = 20;

/** Piece buffers that are free. Files are many, and fresh buffers for each would wait long for the collector. */
const spareBuffers: Buffer[] = [];

/** What a file's bytes came to. */
export interface HashedFile {
  /** Running hashes by the algorithm's name. None is ended: digest a `copy()`. */
  readonly hashes: ReadonlyMap<string, Hash>;
  /** Which version of the file the bytes are. */
  readonly version: FileVersion;
}

/** What hashing can be told. */
export interface HashOptions {
  /** The version that the file must be of; any other is a change. */
  readonly expected?: FileVersion | undefined;
  /** Ends the work early, between two pieces. */
  readonly signal?: AbortSignal | undefined;
  /** Waited for after each piece, so that work in the background leaves time for others; may not fail. */
  readonly pause?: (() => Promise<void>) | undefined;
  /** Told how many bytes each piece had. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Hashes the bytes of a file with one or more algorithms in a single read.
 *
 * @param path - of a regular file; links are followed
 * @param algorithms - names of node:crypto, such as `sha512`
 * @throws DepotError `FILE_CHANGED`: it was written to or replaced meanwhile; `INTERRUPTED`: the signal;
 *   `NOT_FOUND`, `ACCESS_DENIED`, `BUSY`, `IO_FAILED`
 */
export async function hashFile(
  path: string,
  algorithms: readonly string[],
  options: HashOptions = {},
): Promise<HashedFile> {
  const real = await realpath(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  const { handle, stats } = await openRegularFile(real);
  try {
    if (options.expected !== undefined && !sameVersion(options.expected, stats)) throw changed(path);
    const ageMs = Date.now() - stats.ctimeMs;
    if (ageMs >= 0 && ageMs < SETTLED_AFTER_MS) await sleep(SETTLED_AFTER_MS - ageMs);
    const hashes = new Map(algorithms.map((name) => [name, createHash(name)]));
    const sizeBytes = await readPieces(handle.fd, [...hashes.values()], options);
    const after = await handle.stat();
    const named = await versionOf(path);
    if (sizeBytes !== stats.size || !sameVersion(stats, after) || !sameVersion(stats, named)) {
      throw changed(path);
    }
    return { hashes, version: named };
  } catch (error) {
    throw fileError(error, path);
  } finally {
    await handle.close();
  }
}

/**
 * The version of a file that a path leads to now.
 *
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function versionOf(path: string): Promise<FileVersion> {
  try {
    const { ino, size, mtimeMs, ctimeMs } = await stat(path);
    return { ino, size, mtimeMs, ctimeMs };
  } catch (error) {
    throw fileError(error, path);
  }
}

/**
 * Makes sure that a path still leads to the bytes that were hashed.
 *
 * @throws DepotError `FILE_CHANGED`; `NOT_FOUND` and others as {@link versionOf}
 */
export async function expectVersion(path: string, version: FileVersion): Promise<void> {
  if (!sameVersion(version, await versionOf(path))) throw changed(path);
}

function changed(path: string): DepotError {
  return new DepotError('FILE_CHANGED', `${path} changed while it was being read`, { path });
}

/** @returns how many bytes there were */
async function readPieces(fd: number, hashes: readonly Hash[], options: HashOptions): Promise<number> {
  let filled = takeBuffer();
  let spare = takeBuffer();
  try {
    let position = 0;
    let reading = readAt(fd, filled, 0);
    for (;;) {
      const bytesRead = await reading;
      throwIfAborted(options.signal);
      if (bytesRead === 0) return position;
      position += bytesRead;
      reading = readAt(fd, spare, position);
      const piece = filled.subarray(0, bytesRead);
      for (const hash of hashes) hash.update(piece);
      options.onBytes?.(bytesRead);
      if (options.pause !== undefined) await options.pause();
      [filled, spare] = [spare, filled];
    }
  } finally {
    spareBuffers.push(filled, spare);
  }
}

/** The plain call: with the bookkeeping of a `FileHandle` a gigabyte takes 5 % longer. */
function readAt(fd: number, buffer: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, PIECE_BYTES, position, (error, bytesRead) => {
      if (error === null) resolve(bytesRead);
      else reject(error);
    });
  });
}

function takeBuffer(): Buffer {
  return spareBuffers.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted');
}
