/** Which files a command is about: those below the assets folder, or what paths were given instead. */
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { walkFiles } from '../disk/walk.js';
import { type DepotError, fileError } from '../errors.js';
import type { AssetsFolder } from './asset.js';

/** A file that was found, or a path that led to none. */
export interface FoundFile {
  /** As the user knows it: below the folder as that was given. */
  readonly path: string;
  /** The folder it lies in, likewise. */
  readonly folder: string;
  readonly name: string;
  /** Whether the user named this file, not a folder above it. */
  readonly named: boolean;
}

/** Files to work on, and what could not be looked at. */
export interface FoundFiles {
  readonly files: readonly FoundFile[];
  readonly failures: readonly { readonly path: string; readonly error: DepotError }[];
}

/**
 * Finds files, each once, in the order of the paths and of {@link walkFiles} below them.
 *
 * @param paths - files and folders, inside the assets folder or not; none: the assets folder
 */
export async function findFiles(assets: AssetsFolder, paths: readonly string[]): Promise<FoundFiles> {
  const found = new Map<string, FoundFile>();
  const failures: { path: string; error: DepotError }[] = [];
  for (const path of paths.length > 0 ? paths : [assets.dir]) {
    try {
      for await (const file of filesOf(path, assets.symlinks)) {
        const key = resolve(file.path);
        if (file.named || !found.has(key)) found.set(key, file);
      }
    } catch (error) {
      failures.push({ path, error: fileError(error, path) });
    }
  }
  return { files: [...found.values()], failures };
}

async function* filesOf(path: string, symlinks: AssetsFolder['symlinks']): AsyncGenerator<FoundFile> {
  if (!(await stat(path)).isDirectory()) {
    yield { path, folder: dirname(path), name: path.slice(path.lastIndexOf('/') + 1), named: true };
    return;
  }
  for await (const relative of walkFiles(path, { symlinks })) {
    const file = join(path, relative);
    yield {
      path: file,
      folder: dirname(file),
      name: relative.slice(relative.lastIndexOf('/') + 1),
      named: false,
    };
  }
}
