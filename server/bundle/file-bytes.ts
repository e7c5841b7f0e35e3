/** The bytes of planned files, checked again while they are read for the last time. */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import { openRegularFile } from '../disk/safe-path.js';
import { DepotError, fileError } from '../errors.js';
import { algorithmOf, hexOf } from '../oci/digest.js';
import type { Content } from '../registry/content.js';
import type { PlannedFile } from './planned-file.js';

const PIECE_BYTES = 1024 * 1024;

/**
 * Reads files one after the other with three buffers: while one is written by whoever asked for it, another is hashed and the
 * third is read into. A piece is good until the next but one is asked for.
 */
export class FileBytes {
  readonly #buffers = [0, 1, 2].map(() => Buffer.allocUnsafeSlow(PIECE_BYTES));
  readonly #content: Content | undefined;
  #turn = 0;

  /** @param content - of the registry whose blobs are read, if any are */
  constructor(content: Content | undefined) {
    this.#content = content;
  }

  /**
   * The bytes of a file; an error at their end if they are not those that were promised.
   *
   * @throws DepotError `CHECK_FAILED`: content is damaged, and was put aside; `FILE_CHANGED`, `NOT_FOUND`: since it was planned;
   *   `ACCESS_DENIED`, `IO_FAILED`
   */
  async *read(file: PlannedFile): AsyncGenerator<Uint8Array> {
    const { from, path } = file;
    if ('bytes' in from) {
      yield from.bytes;
      return;
    }
    const place = 'path' in from ? { path: from.path, version: from.version } : contentPlace(from.content);
    const { handle, stats } = await openRegularFile(place.path).catch((error: unknown) => {
      throw new DepotError(
        'FILE_CHANGED',
        `${path} cannot be read any more`,
        { file: path },
        { cause: error },
      );
    });
    try {
      if (!sameVersion(place.version, stats)) throw changed(path);
      yield* this.#pieces(handle, file);
      if (!sameVersion(place.version, await handle.stat())) throw changed(path);
    } catch (error) {
      throw fileError(error, path);
    } finally {
      await handle.close();
    }
  }

  async *#pieces(handle: FileHandle, { path, size, digest, from }: PlannedFile): AsyncGenerator<Uint8Array> {
    const hash = createHash(algorithmOf(digest));
    let left = size;
    let reading = this.#readNext(handle, left);
    while (left > 0) {
      const piece = await reading;
      if (piece.length === 0) throw changed(path);
      left -= piece.length;
      reading = left > 0 ? this.#readNext(handle, left) : reading;
      reading.catch(() => undefined);
      yield piece;
      hash.update(piece);
    }
    if (hash.digest('hex') === hexOf(digest)) return;
    if (!('content' in from)) throw changed(path);
    await this.#content?.quarantine(from.content);
    throw new DepotError(
      'CHECK_FAILED',
      `${digest} in the registry is damaged, and was put aside: see scrub`,
      {
        digest,
      },
    );
  }

  async #readNext(handle: FileHandle, most: number): Promise<Buffer> {
    const buffer = this.#buffers[this.#turn] ?? Buffer.alloc(PIECE_BYTES);
    this.#turn = (this.#turn + 1) % this.#buffers.length;
    const { bytesRead } = await handle.read(buffer, 0, Math.min(PIECE_BYTES, most));
    return buffer.subarray(0, bytesRead);
  }
}

function contentPlace({ path, stats }: { readonly path: string; readonly stats: FileVersion }) {
  return { path, version: stats };
}

function changed(path: string): DepotError {
  return new DepotError(
    'FILE_CHANGED',
    `${path} changed while the bundle was being written: nothing is left of it`,
    {
      file: path,
    },
  );
}
