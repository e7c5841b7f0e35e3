/**
 * What is on its way here: a file for each thing, under the number of the process that writes it. Another process goes on
 * with what a killed one left, so nothing is fetched twice but what was not on the disk yet.
 */
import { open, readdir, rename, rm, rmdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { DepotError, fileError } from '../errors.js';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { UploadSession } from '../registry/upload-session.js';

const PART = /^(.+)\.(\d+)\.part$/;
const STALE_AFTER_MS = 7 * 24 * 60 * 60 * 1000;

/** What is to come. */
export interface PartOrder {
  /** Names the thing among all that come; safe as the name of a file. */
  readonly name: string;
  /** Gives the bytes from an offset on. */
  readonly bytesFrom: (offset: number) => AsyncIterable<Uint8Array>;
  /** Bytes in all, if that is known. */
  readonly size?: number | undefined;
  /** Told how many of the bytes are here; never fewer than the time before. */
  readonly onHere?: ((bytes: number) => void) | undefined;
}

/** The files in one folder. */
export class PartFiles {
  readonly #folder: string;

  /** @param folder - in the file system where things get their place; made when it is needed */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Brings what has a digest. What was here of it is gone on with, once; if the whole is then something else, all of it
   * comes again.
   *
   * @param onWrong - told that other bytes came; what it gives is thrown
   * @returns the path of a durable file with these very bytes, which the caller moves or removes
   * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`; whatever the bytes throw: what came is kept
   */
  async bring(digest: Digest, order: Omit<PartOrder, 'name'>, onWrong: () => DepotError): Promise<string> {
    const name = `${algorithmOf(digest)}-${hexOf(digest)}`;
    const path = await this.#takeUp(name);
    let most = 0;
    const onHere = (bytes: number): void => {
      most = Math.max(most, bytes);
      order.onHere?.(most);
    };
    try {
      for (let { size } = await stat(path); ; size = 0) {
        if (size > (order.size ?? size)) size = 0;
        await truncate(path, size);
        const session = new UploadSession(path, size, algorithmOf(digest));
        // It may be whole, where nobody knew how long it was.
        if (size > 0 && order.size === undefined && (await session.matches(digest))) return path;
        const isFilled = await fillDurably(session, { ...order, onHere }, size > 0);
        if (isFilled && (await session.matches(digest))) return path;
        if (size === 0) break;
      }
    } catch (error) {
      throw fileError(error, path);
    }
    await rm(path, { force: true });
    throw onWrong();
  }

  /**
   * Brings what has no digest that is known before it is here.
   *
   * @param fresh - forgets what was here of it
   * @returns as {@link bring}
   */
  async bringUnchecked(order: PartOrder, fresh: boolean): Promise<string> {
    const path = await this.#takeUp(order.name);
    try {
      if (fresh) await truncate(path, 0);
      const { size } = await stat(path);
      const session = new UploadSession(path, size, 'sha256');
      // What is whole already has nothing behind its end.
      await fillDurably(session, order, size > 0);
      return path;
    } catch (error) {
      throw fileError(error, path);
    }
  }

  /** How much of a thing is here. */
  async sizeOf(name: string): Promise<number> {
    const found = await this.#find(name);
    if (found === undefined) return 0;
    return stat(join(this.#folder, found)).then(
      ({ size }) => size,
      () => 0,
    );
  }

  /** Removes what nobody went on with for a week. */
  async sweep(now: number = Date.now()): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const path = join(this.#folder, name);
      const info = PART.test(name) ? await stat(path).catch(() => undefined) : undefined;
      if (info === undefined || now - info.mtimeMs < STALE_AFTER_MS) continue;
      await rm(path, { force: true }).catch(() => undefined);
    }
  }

  /** Removes the folder, if nothing is on its way. */
  async removeIfEmpty(): Promise<void> {
    await rmdir(this.#folder).catch(() => undefined);
  }

  /** Makes the file of a thing ours, or a new one. */
  async #takeUp(name: string): Promise<string> {
    const own = join(this.#folder, `${name}.${process.pid}.part`);
    try {
      await makeDurableFolder(this.#folder);
      const left = await this.#find(name);
      if (left !== undefined) await rename(join(this.#folder, left), own).catch(() => undefined);
      await (await open(own, 'a')).close();
      return own;
    } catch (error) {
      throw fileError(error, this.#folder);
    }
  }

  /** Ours, or what a process left that is gone. */
  async #find(name: string): Promise<string | undefined> {
    for (const each of await readdir(this.#folder).catch(() => [])) {
      const [, thing, pid] = PART.exec(each) ?? [];
      if (thing !== name) continue;
      if (Number(pid) === process.pid || !isAlive(Number(pid), Date.now())) return each;
    }
    return undefined;
  }
}

/** As {@link fill}; what came is on the disk then, also where nothing was to come. */
async function fillDurably(
  session: UploadSession,
  order: Omit<PartOrder, 'name'>,
  mayEnd: boolean,
): Promise<boolean> {
  try {
    const isFilled = await fill(session, order, mayEnd);
    await session.sync();
    return isFilled;
  } finally {
    await session.leave();
  }
}

/**
 * @param mayEnd - whether there may be nothing at the place where it goes on
 * @returns whether it went on
 */
async function fill(
  session: UploadSession,
  { bytesFrom, size, onHere }: Omit<PartOrder, 'name'>,
  mayEnd: boolean,
): Promise<boolean> {
  onHere?.(session.offset);
  if (session.offset === size) return true;
  await session.resume();
  const start = session.offset;
  try {
    await session.append(counted(bytesFrom(start), (bytes) => onHere?.(start + bytes)));
    return true;
  } catch (error) {
    if (mayEnd && session.offset === start && isPastEnd(error)) return false;
    throw error;
  }
}

function isPastEnd(error: unknown): boolean {
  return error instanceof DepotError && error.facts.reason === 'answers 416';
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    yield chunk;
    bytes += chunk.length;
    onBytes(bytes);
  }
}
