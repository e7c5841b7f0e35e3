/**
 * Converted images on disk, up to a size: each has a folder of its own with the image and its signature. The folders can
 * be removed at any time while no server runs.
 */
import type { Stats } from 'node:fs';
import { readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isTemporaryName, removeStaleTemporaries, temporaryName } from '../disk/atomic-file.js';
import { foldersIn, makeFolder } from '../disk/folders.js';

/** How the image is called in its folder. */
export const CACHED_IMAGE = 'image.aci';

/** Something that stays for as long as it is held. */
export interface Held {
  /** Its folder. */
  readonly folder: string;
  /** Of the image. */
  readonly stats: Stats;
  /** To be called once, when nobody needs it any more. */
  release(): void;
}

interface Entry {
  /** Of the image; signatures are small. */
  readonly bytes: number;
  holders: number;
}

/** The images that are kept, in the order of their last use. */
export class AciCache {
  readonly #dir: string;
  readonly #mostBytes: number;
  /** The one that was used last stands last. */
  readonly #entries = new Map<string, Entry>();
  /** Folders that are being taken away: a new conversion of the same image may begin before that is done. */
  readonly #leaving = new Map<string, Promise<void>>();
  #bytes = 0;

  private constructor(dir: string, mostBytes: number) {
    this.#dir = dir;
    this.#mostBytes = mostBytes;
  }

  /**
   * Opens a folder, makes it where it is missing, and removes what a killed process left half-made.
   *
   * @param mostBytes - of all images together. The one that was used last is kept even if it alone is larger: rkt asks
   *   for the signature once more when it has the image
   * @throws DepotError `ACCESS_DENIED`, `DISK_FULL`, `IO_FAILED`
   */
  static async open(dir: string, mostBytes: number): Promise<AciCache> {
    await makeFolder(dir);
    const cache = new AciCache(dir, mostBytes);
    await cache.#load();
    await cache.#evict();
    return cache;
  }

  /** Bytes of all images that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Where an image lies, or is to lie. */
  folderOf(name: string): string {
    return join(this.#dir, name);
  }

  /** Holds an image that is there, which is a use of it; `undefined` if it is not there, or its file is gone. */
  async hold(name: string): Promise<Held | undefined> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    entry.holders += 1;
    const info = await stat(join(this.folderOf(name), CACHED_IMAGE)).catch(() => undefined);
    if (info?.size === entry.bytes) {
      this.#entries.delete(name);
      this.#entries.set(name, entry);
      return { folder: this.folderOf(name), stats: info, release: () => this.#release(entry) };
    }
    entry.holders -= 1;
    this.#forget(name, entry);
    return undefined;
  }

  /** Makes the folder of an image that is about to be made. */
  async prepare(name: string): Promise<string> {
    await this.#leaving.get(name);
    const folder = this.folderOf(name);
    await makeFolder(folder);
    return folder;
  }

  /** Takes the folder of an image away that could not be made. */
  async abandon(name: string): Promise<void> {
    await rm(this.folderOf(name), { recursive: true, force: true }).catch(() => undefined);
  }

  /** Notes that an image is there now, and makes room for it. */
  async add(name: string): Promise<void> {
    const { size } = await stat(join(this.folderOf(name), CACHED_IMAGE));
    this.#enter(name, size);
    await this.#evict();
  }

  #enter(name: string, bytes: number): void {
    this.#entries.set(name, { bytes, holders: 0 });
    this.#bytes += bytes;
  }

  #forget(name: string, entry: Entry): void {
    if (this.#entries.get(name) === entry && this.#entries.delete(name)) this.#bytes -= entry.bytes;
  }

  #release(entry: Entry): void {
    entry.holders -= 1;
    if (this.#bytes > this.#mostBytes) void this.#evict();
  }

  /** What is no longer an entry is out of sight at once; its bytes are removed behind that. */
  async #evict(): Promise<void> {
    const names = [...this.#entries.keys()].slice(0, -1);
    for (const name of names) {
      if (this.#bytes <= this.#mostBytes) return;
      const entry = this.#entries.get(name);
      if (entry === undefined || entry.holders > 0) continue;
      this.#forget(name, entry);
      const leaving = this.#takeAway(name).finally(() => this.#leaving.delete(name));
      this.#leaving.set(name, leaving);
      await leaving;
    }
  }

  /** A folder that cannot be removed as a whole is not half an image under its name either. */
  async #takeAway(name: string): Promise<void> {
    const aside = join(this.#dir, temporaryName());
    await rename(this.folderOf(name), aside).catch(() => undefined);
    await rm(aside, { recursive: true, force: true }).catch(() => undefined);
  }

  async #load(): Promise<void> {
    await removeOwn(this.#dir);
    const found: { readonly name: string; readonly bytes: number; readonly usedMs: number }[] = [];
    for (const name of await foldersIn(this.#dir)) {
      const folder = this.folderOf(name);
      await removeOwn(folder);
      const info = await stat(join(folder, CACHED_IMAGE)).catch(() => undefined);
      if (info?.isFile()) {
        found.push({ name, bytes: info.size, usedMs: Math.max(info.atimeMs, info.mtimeMs) });
      } else await removeUnfinished(folder);
    }
    found.sort((one, other) => one.usedMs - other.usedMs);
    for (const { name, bytes } of found) this.#enter(name, bytes);
  }
}

/** In a container each process has the same number, so what bears ours is as stale as what a dead one left. */
async function removeOwn(folder: string): Promise<void> {
  await removeStaleTemporaries(folder).catch(() => 0);
  const names = await readdir(folder).catch(() => []);
  const own = names.filter((name) => isTemporaryName(name) && name.includes(`-${process.pid}-`));
  for (const name of own) await rm(join(folder, name), { recursive: true, force: true });
}

/** Another process may still be at work where a temporary file is left. */
async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  if (names.some(isTemporaryName)) return;
  for (const name of names) await rm(join(folder, name), { recursive: true, force: true });
  await rmdir(folder).catch(() => undefined);
}
