/** How much room a disk has, and a floor below which nothing more is taken in. */
import { statfs } from 'node:fs/promises';
import { DepotError } from '../errors.js';

/** Bytes that this user may still write there; none where the system does not say. */
export async function freeBytes(path: string): Promise<number> {
  const info = await statfs(path).catch(() => undefined);
  return info === undefined ? 0 : info.bavail * info.bsize;
}

/** The room on one disk, of which some is to stay free: what is read, deleted and logged needs it. */
export class FreeSpace {
  readonly #folder: string;
  readonly #floorBytes: number;

  /** @param floorBytes - what stays free; with 0 nothing is ever refused early */
  constructor(folder: string, floorBytes: number) {
    this.#folder = folder;
    this.#floorBytes = floorBytes;
  }

  /**
   * Makes sure that there is room for what is about to come.
   *
   * @param bytes - how much that is, as far as it is known
   * @throws DepotError `DISK_FULL`
   */
  async expect(bytes: number): Promise<void> {
    if (this.#floorBytes === 0) return;
    const free = await freeBytes(this.#folder);
    if (free - bytes >= this.#floorBytes) return;
    throw new DepotError('DISK_FULL', `${this.#folder} has ${free} bytes left, too few for ${bytes} more`, {
      free,
      floor: this.#floorBytes,
    });
  }
}
