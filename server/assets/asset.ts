/** An asset: what a path below the assets folder leads to. */
import { type Place, type RequestedPath, resolveBelow, type SymlinkPolicy } from '../disk/safe-path.js';
import { DepotError } from '../errors.js';

/** The assets folder and its rule for links. */
export interface AssetsFolder {
  readonly dir: string;
  readonly symlinks: SymlinkPolicy;
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
  const kind = place.stats.isDirectory() ? 'folder' : 'file';
  if (kind === 'file' && requested.folder)
    throw new DepotError('NOT_FOUND', `${name} is a file, not a folder`);
  return { ...place, kind, name };
}
