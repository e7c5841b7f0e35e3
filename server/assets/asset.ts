/** An asset: what a path below the assets folder leads to. */
import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Place, type RequestedPath, resolveBelow, type SymlinkPolicy } from '../disk/safe-path.js';
import { isInside } from '../disk/walk.js';
import { DepotError } from '../errors.js';

/** The assets folder and its rule for links. */
export interface AssetsFolder {
  readonly dir: string;
  readonly symlinks: SymlinkPolicy;
  /** The folder of keys: what lies in it is never an asset, whatever links lead there. */
  readonly keysDir?: string | undefined;
}

/** A file or folder below the assets folder. */
export interface Asset extends Place {
  readonly kind: 'file' | 'folder';
  /** Relative to the assets folder, as it was asked for; `''` is the folder itself. */
  readonly name: string;
}

/**
 * Finds the asset that a path means.
 *
 * @throws DepotError `NOT_FOUND` (also for a file whose path ends in a slash), `ACCESS_DENIED`, `BUSY`
 */
export async function findAsset(folder: AssetsFolder, requested: RequestedPath): Promise<Asset> {
  const place = await resolveBelow(folder.dir, requested.parts, folder.symlinks);
  const name = requested.parts.join('/');
  if (folder.keysDir !== undefined && (await isOfKeys(place.path, folder.keysDir))) {
    throw new DepotError('NOT_FOUND', `${name} leads to the folder of keys`);
  }
  const kind = place.stats.isDirectory() ? 'folder' : 'file';
  if (kind === 'file' && requested.folder)
    throw new DepotError('NOT_FOUND', `${name} is a file, not a folder`);
  return { ...place, kind, name };
}

/**
 * Whether a path is the folder of keys or a file in it. Keys lie side by side; a folder in theirs that happens to hold assets is
 * none of them.
 */
export async function isOfKeys(path: string, keysDir: string): Promise<boolean> {
  const keys = await realpath(keysDir).catch(() => undefined);
  return path === keys || dirname(path) === keys;
}

/**
 * Makes sure that no key is an asset.
 *
 * @param assetsDir - exists, as `keysDir` does
 * @throws DepotError `CONFIG_INVALID`: the keys lie in the assets folder, or are it
 */
export async function refuseKeysAmongAssets(assetsDir: string, keysDir: string): Promise<void> {
  const [assets, keys] = await Promise.all([realpath(assetsDir), realpath(keysDir)]);
  if (!isInside(assets, keys)) return;
  throw new DepotError(
    'CONFIG_INVALID',
    `the keys in ${keysDir} lie in the assets folder ${assetsDir}, where everything is served: move one of them`,
    { key: 'keys.dir' },
  );
}
