/** One upload that is under way: a file that grows, and the hash of what is in it. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { DepotError, fileError } from '../errors.js';
import { type Algorithm, algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { hashFile } from '../stream/hash-file.js';

/** Bytes that are gathered before they are written: a socket gives 64 KiB at a time, a disk likes more. */
const GATHER_BYTES = 1024 * 1024;

/** The bytes of an upload on the disk; what is in the file is what counts, in this process or a later one. */
export class UploadSession {
  readonly path: string;
  readonly #algorithm: Algorithm;
  /** Of the bytes up to `offset`; absent where they have not been read in this process. */
  #hash: Hash | undefined;
  #offset: number;

  /**
   * @param path - the file, which exists
   * @param offset - its size
   * @param algorithm - what the digest at the end will most likely be of; another one costs a read
   */
  constructor(path: string, offset: number, algorithm: Algorithm) {
    this.path = path;
    this.#offset = offset;
    this.#algorithm = algorithm;
    this.#hash = offset === 0 ? createHash(algorithm) : undefined;
  }

  /** Bytes that are in the file. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Appends what a client sends, and makes it durable. When the client leaves in the middle, what came until then stays;
   * when the disk is full, what was there before stays, and some of what came.
   *
   * @throws DepotError `DISK_FULL`, `IO_FAILED`; whatever the body throws
   */
  async append(body: AsyncIterable<Uint8Array>): Promise<void> {
    const file = await this.#open();
    const before = this.#offset;
    try {
      await this.#appendAll(file, body);
    } finally {
      // Also what a client left behind: it will ask how far it came.
      if (this.#offset > before) await file.sync().catch(() => undefined);
      await file.close();
    }
  }

  async #appendAll(file: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
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
        await this.#write(file, full);
      }
    } finally {
      if (bytes > 0) await this.#write(file, gathered);
    }
  }

  async #write(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
    try {
      const bytes = await writeFully(file, chunks, this.#offset);
      for (const chunk of chunks) this.#hash?.update(chunk);
      this.#offset += bytes;
    } catch (error) {
      await file.truncate(this.#offset).catch(() => undefined);
      throw fileError(error, 'the upload');
    }
  }

  async #open(): Promise<FileHandle> {
    try {
      return await open(this.path, 'r+');
    } catch (error) {
      throw fileError(error, 'the upload');
    }
  }

  /** Whether the bytes are those of a digest. They are read again if they were not hashed on their way in. */
  async matches(digest: Digest): Promise<boolean> {
    const algorithm = algorithmOf(digest);
    const known = algorithm === this.#algorithm ? this.#hash?.copy() : undefined;
    const hash = known ?? (await hashOf(this.path, algorithm));
    return hash.digest('hex') === hexOf(digest);
  }

  /** Makes the hash of a session that another process began ready to go on. */
  async resume(): Promise<void> {
    this.#hash ??= await hashOf(this.path, this.#algorithm);
  }
}

/** @returns how many bytes the chunks have */
async function writeFully(
  file: FileHandle,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<number> {
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  let { bytesWritten: done } = await file.writev([...chunks], position);
  if (done === bytes) return bytes;
  const all = Buffer.concat(chunks);
  while (done < bytes) done += (await file.write(all, done, bytes - done, position + done)).bytesWritten;
  return bytes;
}

async function hashOf(path: string, algorithm: Algorithm): Promise<Hash> {
  const hash = (await hashFile(path, [algorithm])).hashes.get(algorithm);
  if (hash === undefined) throw new DepotError('IO_FAILED', `${path} was not hashed`);
  return hash;
}
