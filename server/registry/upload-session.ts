/** One upload that is under way: a file that grows, and the hash of what is in it. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import { DepotError, fileError } from '../errors.js';
import { type Algorithm, algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { hashFile } from '../stream/hash-file.js';
import { Appending } from './appending.js';

/** The bytes of an upload on the disk; what is in the file is what counts, in this process or a later one. */
export class UploadSession {
  readonly path: string;
  readonly #algorithm: Algorithm;
  /** While a request works on it. */
  #file: FileHandle | undefined;
  /** Of the bytes up to `offset`; absent where they have not been read in this process. */
  #hash: Hash | undefined;
  #offset: number;
  /** The bytes up to here are durable. */
  #synced = 0;
  /** The file as this session left it; what anybody else did to it since is not in the hash. */
  #version: FileVersion | undefined;

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
   * Appends what a client sends. When the client leaves in the middle, what came until then stays; when the disk is full,
   * what was written before stays. None of it is durable before {@link sync}.
   *
   * @throws DepotError `DISK_FULL`, `IO_FAILED`; whatever the body throws
   */
  async append(body: AsyncIterable<Uint8Array>): Promise<void> {
    const file = await this.#opened();
    const appending = new Appending(file, this.#offset, this.#hash);
    try {
      await appending.all(body);
    } finally {
      this.#offset = appending.offset;
      if (!appending.isHashed) this.#hash = undefined;
      if (appending.isLost) await this.#drop(file);
    }
  }

  /** Whether a file still is what this session wrote. */
  isAt(path: string, found: FileVersion): boolean {
    if (path !== this.path || found.size !== this.#offset) return false;
    return this.#version === undefined ? this.#offset === 0 : sameVersion(this.#version, found);
  }

  /**
   * Closes the file, which stays open from the first thing that one request does with it to the last.
   *
   * @throws the error of the system
   */
  async leave(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      this.#version = await file.stat();
    } finally {
      await file.close();
    }
  }

  /**
   * Makes the bytes durable.
   *
   * @throws DepotError `DISK_FULL`, `IO_FAILED`: the bytes since the last time cannot be trusted, and are dropped
   */
  async sync(): Promise<void> {
    if (this.#offset === this.#synced) return;
    const file = await this.#opened();
    try {
      await file.sync();
      this.#synced = this.#offset;
    } catch (error) {
      await this.#drop(file);
      throw fileError(error, 'the upload');
    }
  }

  /** After the disk has lost bytes nobody knows which. */
  async #drop(file: FileHandle): Promise<void> {
    this.#offset = this.#synced;
    this.#hash = undefined;
    await file.truncate(this.#synced).catch(() => undefined);
  }

  async #opened(): Promise<FileHandle> {
    try {
      this.#file ??= await open(this.path, 'r+');
      return this.#file;
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

async function hashOf(path: string, algorithm: Algorithm): Promise<Hash> {
  const hash = (await hashFile(path, [algorithm])).hashes.get(algorithm);
  if (hash === undefined) throw new DepotError('IO_FAILED', `${path} was not hashed`);
  return hash;
}
