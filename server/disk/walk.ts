/** Walking a folder tree in a stable order. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type DepotError, fileError } from '../errors.js';

/** What a walk can be told. */
export interface WalkOptions {
  /** `inside`: links count if they end inside the root. `follow`: wherever they end. */
  readonly symlinks: 'inside' | 'follow';
  /** Told of a folder below the root that cannot be read, which is then passed over; without it the walk fails. */
  readonly onUnreadable?: (error: DepotError) => void;
}

/**
 * Yields every regular file below a folder, as a path relative to it with `/` between its parts, sorted by
 * UTF-16 code unit within each folder. Dot files, devices, fifos, sockets and broken links are passed over; a folder that
 * is its own ancestor through a link is not entered again.
 *
 * @param root - the folder to walk
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`: the folder cannot be read
 */
export async function* walkFiles(root: string, options: WalkOptions): AsyncGenerator<string> {
  let realRoot: string;
  try {
    realRoot = await realpath(root);
  } catch (error) {
    throw fileError(error, root);
  }
  yield* walkFolder({ root, realRoot, options }, '', [realRoot]);
}

interface Walk {
  readonly root: string;
  readonly realRoot: string;
  readonly options: WalkOptions;
}

async function* walkFolder(walk: Walk, folder: string, ancestors: readonly string[]): AsyncGenerator<string> {
  const absolute = join(walk.root, folder);
  const real = ancestors.at(-1) ?? absolute;
  const entries = await readdir(absolute, { withFileTypes: true }).catch((error: unknown) => {
    const failure = fileError(error, absolute);
    if (folder === '' || walk.options.onUnreadable === undefined) throw failure;
    walk.options.onUnreadable(failure);
    return [];
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const relative = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isFile()) yield relative;
    else if (entry.isDirectory()) yield* walkFolder(walk, relative, [...ancestors, join(real, entry.name)]);
    else if (entry.isSymbolicLink()) yield* walkLink(walk, relative, ancestors);
  }
}

async function* walkLink(walk: Walk, relative: string, ancestors: readonly string[]): AsyncGenerator<string> {
  const target = await realpath(join(walk.root, relative)).catch(() => undefined);
  if (target === undefined) return;
  if (walk.options.symlinks === 'inside' && !isInside(walk.realRoot, target)) return;
  const info = await stat(target).catch(() => undefined);
  if (info?.isFile()) yield relative;
  else if (info?.isDirectory() && !ancestors.includes(target)) {
    yield* walkFolder(walk, relative, [...ancestors, target]);
  }
}

/** Whether a path is a folder or lies below it; both absolute, without `.` and `..`. */
export function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
