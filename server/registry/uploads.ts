/** Uploads: sessions that live on the disk, where the reference registry keeps its own, and survive any restart. */
import { randomUUID } from 'node:crypto';
import { mkdir, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileVersion } from '../disk/file-version.js';
import { makeDurableFolder } from '../disk/folders.js';
import type { FreeSpace } from '../disk/free-space.js';
import { DepotError, fileError, systemCode } from '../errors.js';
import { type Algorithm, algorithmOf, type Digest } from '../oci/digest.js';
import type { RepositoryName } from '../oci/reference.js';
import type { Content } from './content.js';
import type { Layout } from './layout.js';
import { type PreparedLink, prepareLink } from './links.js';
import { UploadSession } from './upload-session.js';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Where an upload stands. */
export interface UploadState {
  /** Names the session within its repository. */
  readonly id: string;
  /** Bytes that are on the disk. */
  readonly offset: number;
}

/** What a client says of the bytes it sends. */
export interface UploadPart {
  readonly body: AsyncIterable<Uint8Array>;
  /** Where the client believes the part begins; `undefined` if it did not say. */
  readonly start?: number | undefined;
  /** How many bytes will come, as far as the client says. */
  readonly bytes?: number | undefined;
}

/** The uploads of one registry folder. */
export class Uploads {
  readonly #layout: Layout;
  readonly #content: Content;
  readonly #space: FreeSpace;
  readonly #sessions = new Map<string, UploadSession>();
  readonly #busy = new Set<string>();

  constructor(layout: Layout, content: Content, space: FreeSpace) {
    this.#layout = layout;
    this.#content = content;
    this.#space = space;
  }

  /** How many are being written to by a request right now. */
  get underWay(): number {
    return this.#busy.size;
  }

  /**
   * Begins an upload.
   *
   * @param algorithm - what the digest at the end will most likely be of
   * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
   */
  async begin(repository: RepositoryName, algorithm: Algorithm = 'sha256'): Promise<UploadState> {
    await this.#space.expect(0);
    const id = randomUUID();
    const folder = this.#layout.upload(repository, id);
    // Nothing is promised yet: who begins and finds the session gone after a crash begins again.
    try {
      await makeSessionFolder(folder);
      await Promise.all([
        writeFile(join(folder, 'data'), ''),
        writeFile(join(folder, 'startedat'), startedAt()),
      ]);
    } catch (error) {
      throw fileError(error, 'the upload');
    }
    this.#sessions.set(id, new UploadSession(join(folder, 'data'), 0, algorithm));
    return { id, offset: 0 };
  }

  /**
   * Takes a blob in one piece. Of one that does not come whole nothing stays: nobody knows where to go on.
   *
   * @returns its bytes
   * @throws DepotError as {@link begin} and {@link finish}; whatever the body throws
   */
  async take(repository: RepositoryName, digest: Digest, part: UploadPart): Promise<number> {
    const { id } = await this.begin(repository, algorithmOf(digest));
    try {
      return await this.finish(repository, id, digest, part);
    } catch (error) {
      await this.#remove(repository, id).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Where an upload stands; how far it has come, while a request is writing.
   *
   * @throws DepotError `BLOB_UPLOAD_UNKNOWN`
   */
  async state(repository: RepositoryName, id: string): Promise<UploadState> {
    return { id, offset: (await this.#stored(repository, id)).version.size };
  }

  /**
   * Appends a part. What came of it before a failure stays.
   *
   * @throws DepotError `BLOB_UPLOAD_UNKNOWN`; `RANGE_INVALID`: another offset, or another request is writing; `DISK_FULL`
   */
  async append(repository: RepositoryName, id: string, part: UploadPart): Promise<UploadState> {
    return this.#alone(repository, id, async (session) => {
      await this.#append(session, part);
      await session.sync();
      return { id, offset: session.offset };
    });
  }

  /**
   * Appends the last part, checks the whole, and makes it a blob of the repository.
   *
   * @returns the bytes of the whole
   * @throws DepotError as {@link append}; `DIGEST_INVALID`: the bytes are others, and the session is gone
   */
  async finish(repository: RepositoryName, id: string, digest: Digest, part: UploadPart): Promise<number> {
    return this.#alone(repository, id, async (session) => {
      await this.#append(session, part);
      if (!(await session.matches(digest))) {
        await this.#remove(repository, id);
        throw new DepotError('DIGEST_INVALID', 'the bytes that came do not match the digest', { digest });
      }
      const link = await this.#place(repository, digest, session);
      await link.commit();
      await this.#remove(repository, id);
      return session.offset;
    });
  }

  /**
   * Everything that a disk is waited for, and that is not visible, goes side by side; then the bytes get their place.
   *
   * @returns what makes them a blob of the repository, which is the last step
   */
  async #place(repository: RepositoryName, digest: Digest, session: UploadSession): Promise<PreparedLink> {
    const preparing = prepareLink(this.#layout, this.#layout.layerLink(repository, digest), digest);
    try {
      await Promise.all([session.sync(), makeDurableFolder(dirname(this.#layout.data(digest))), preparing]);
      await this.#content.place(digest, session.path);
    } catch (error) {
      await preparing.then((link) => link.discard()).catch(() => undefined);
      throw error;
    }
    return preparing;
  }

  /** @throws DepotError `BLOB_UPLOAD_UNKNOWN`, `RANGE_INVALID` (a request is writing) */
  async cancel(repository: RepositoryName, id: string): Promise<void> {
    await this.#alone(repository, id, () => this.#remove(repository, id));
  }

  async #append(session: UploadSession, { body, start, bytes = 0 }: UploadPart): Promise<void> {
    if (start !== undefined && start !== session.offset) throw outOfOrder(session.offset);
    await this.#space.expect(bytes);
    await session.resume();
    await session.append(body);
  }

  async #alone<T>(
    repository: RepositoryName,
    id: string,
    work: (session: UploadSession) => Promise<T>,
  ): Promise<T> {
    if (this.#busy.has(id)) throw outOfOrder((await this.state(repository, id)).offset);
    this.#busy.add(id);
    try {
      const session = await this.#session(repository, id);
      return await work(session).finally(() => session.leave());
    } finally {
      this.#busy.delete(id);
    }
  }

  /** For the one request that may write: what it finds nobody changes meanwhile. */
  async #session(repository: RepositoryName, id: string): Promise<UploadSession> {
    const { path, version } = await this.#stored(repository, id);
    const known = this.#sessions.get(id);
    if (known?.isAt(path, version)) return known;
    const session = new UploadSession(path, version.size, 'sha256');
    this.#sessions.set(id, session);
    return session;
  }

  async #stored(
    repository: RepositoryName,
    id: string,
  ): Promise<{ readonly path: string; readonly version: FileVersion }> {
    const path = join(this.#layout.upload(repository, UUID.test(id) ? id : 'none'), 'data');
    const info = await stat(path).catch(() => undefined);
    if (info?.isFile() && UUID.test(id)) return { path, version: info };
    throw new DepotError('BLOB_UPLOAD_UNKNOWN', 'there is no such upload: begin another', { id });
  }

  async #remove(repository: RepositoryName, id: string): Promise<void> {
    this.#sessions.delete(id);
    const folder = this.#layout.upload(repository, id);
    try {
      await unlink(join(folder, 'startedat'));
      await rmdir(folder);
    } catch {
      // There is more in it: the bytes, or what the reference registry keeps.
      await rm(folder, { recursive: true, force: true });
    }
  }
}

/** The folder around it is there for all but the first one; it may be removed as the last one of an empty repository. */
async function makeSessionFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    await makeDurableFolder(dirname(folder));
    await mkdir(folder);
  }
}

function outOfOrder(offset: number): DepotError {
  return new DepotError('RANGE_INVALID', `the upload goes on at byte ${offset}`, { offset });
}

/** RFC 3339 in whole seconds, as the reference writes it. */
function startedAt(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
