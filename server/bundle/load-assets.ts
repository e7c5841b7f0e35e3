/** Taking assets in: a file and its signatures become visible together. */
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type AssetsFolder, isOfKeys } from '../assets/asset.js';
import type { PendingFile } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { resolveBelow } from '../disk/safe-path.js';
import { DepotError, isMissing } from '../errors.js';
import { hexOf } from '../oci/digest.js';
import { hashFile } from '../stream/hash-file.js';
import type { BundleFile } from './contents.js';
import { stageFile } from './staged-file.js';

/** Puts what a bundle brings into one assets folder. */
export class AssetLoading {
  readonly #folder: AssetsFolder;
  /** Written, and waiting for the rest of their group: a file and its signatures. */
  #waiting: PendingFile[] = [];

  constructor(folder: AssetsFolder) {
    this.#folder = folder;
  }

  /** Whether a file with these very bytes is here. */
  async has({ size, digest }: BundleFile, parts: readonly string[]): Promise<boolean> {
    const path = join(this.#folder.dir, ...parts);
    try {
      const info = await stat(path);
      if (!info.isFile() || info.size !== size) return false;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    const { hashes } = await hashFile(path, ['sha256']);
    return hashes.get('sha256')?.copy().digest('hex') === hexOf(digest);
  }

  /**
   * Takes in a file, which is not visible before {@link settle}.
   *
   * @throws DepotError `FILE_EXISTS`: a folder has its name; `NOT_FOUND`: its folder is a link that may not be followed, or leads to the
   *   keys; `DISK_FULL`, `ACCESS_DENIED`; whatever the body throws
   */
  async take(parts: readonly string[], body: AsyncIterable<Uint8Array>): Promise<void> {
    const folder = await this.#folderFor(parts.slice(0, -1));
    const path = join(folder, parts.at(-1) ?? '');
    if ((await stat(path).catch(() => undefined))?.isDirectory()) {
      throw new DepotError(
        'FILE_EXISTS',
        `assets/${parts.join('/')} is a folder here, and a file in the bundle`,
      );
    }
    this.#waiting.push(await stageFile(path, body));
  }

  /** Makes what waits visible, when the last of a group has come: the signatures, and then at once the file. */
  async settle(): Promise<void> {
    for (const file of this.#waiting.toReversed()) await file.commit();
    this.#waiting = [];
  }

  /** Gives up what waits. */
  async discard(): Promise<void> {
    for (const file of this.#waiting) await file.discard();
    this.#waiting = [];
  }

  /** Makes the folder, step by step, so that none is made where a link leads that may not be followed. */
  async #folderFor(parts: readonly string[]): Promise<string> {
    const { dir, symlinks, keysDir } = this.#folder;
    await makeDurableFolder(dir);
    let folder = await realpath(dir);
    for (const [index, part] of parts.entries()) {
      await makeDurableFolder(join(folder, part));
      const place = await resolveBelow(dir, parts.slice(0, index + 1), symlinks);
      if (!place.stats.isDirectory() || (keysDir !== undefined && (await isOfKeys(place.path, keysDir)))) {
        const name = parts.slice(0, index + 1).join('/');
        throw new DepotError('FILE_EXISTS', `assets/${name} is no folder for assets here`);
      }
      folder = place.path;
    }
    return folder;
  }
}
