/**
 * What a folder of assets holds: folders first, then files, each sorted by UTF-16 code unit like every walk of the
 * folder. A folder of any size is read in pieces, so that other work goes on in between.
 */
import { realpathSync, type Stats, statSync } from 'node:fs';
import { opendir, realpath } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isServedName, type SymlinkPolicy } from '../disk/safe-path.js';
import { isInside } from '../disk/walk.js';
import { fileError } from '../errors.js';
import { type SignatureState, signatureStateOf } from './signature-state.js';

/** One line of a listing. */
export interface ListingEntry {
  readonly name: string;
  readonly type: 'file' | 'folder';
  /** Bytes; `null` for a folder. */
  readonly size: number | null;
  readonly modified: Date;
  /** `null` where no signature is expected. */
  readonly signature: SignatureState | null;
}

/** The folder to list. */
export interface ListedFolder {
  /** Absolute, without links. */
  readonly path: string;
  /** The assets folder; links that leave it are not listed under the policy `inside`. */
  readonly root: string;
  readonly symlinks: SymlinkPolicy;
}

/** Names are read so many at a time, with a turn of the event loop in between. */
const NAMES_AT_ONCE = 1024;
/** Files are looked at for so long, in milliseconds, before other work has its turn. */
const SLICE_MS = 1;

/**
 * Reads the names of a folder, then yields its entries in batches as fast as they are taken. Dot files, devices,
 * fifos, sockets, names that are never served, links that lead nowhere, and what vanishes in the meantime are left out.
 *
 * @returns when the names are known: a folder that cannot be read fails before anything is written
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`, `BUSY`
 */
export async function listFolder(folder: ListedFolder): Promise<AsyncGenerator<ListingEntry[]>> {
  try {
    const names = await readNames(folder);
    return inSlices(entriesOf(folder.path, names));
  } catch (error) {
    throw fileError(error, folder.path);
  }
}

interface Names {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

async function readNames({ path, root, symlinks }: ListedFolder): Promise<Names> {
  const realRoot = await realpath(root);
  const mayFollow = (link: string): boolean =>
    symlinks === 'follow' || isInside(realRoot, realpathSync.native(link));
  const folders: string[] = [];
  const files: string[] = [];
  for await (const entry of await opendir(path, { bufferSize: NAMES_AT_ONCE })) {
    if (!isServedName(entry.name)) continue;
    const kind = entry.isSymbolicLink() ? lookAt(`${path}/${entry.name}`, mayFollow) : entry;
    if (kind?.isDirectory()) folders.push(entry.name);
    else if (kind?.isFile()) files.push(entry.name);
  }
  return { folders: folders.sort(), files: files.sort() };
}

function* entriesOf(path: string, { folders, files }: Names): Generator<ListingEntry | undefined> {
  for (const name of folders) {
    const stats = lookAt(`${path}/${name}`);
    yield stats && { name, type: 'folder', size: null, modified: stats.mtime, signature: null };
  }
  const present = new Set(files);
  /** Signatures are looked at ahead of their turn: each file is to be looked at once. */
  const ahead = new Map<string, Stats>();
  const modifiedBeside = (name: string): number | undefined => {
    const stats = present.has(name) ? lookAt(`${path}/${name}`) : undefined;
    if (stats !== undefined) ahead.set(name, stats);
    return stats?.mtimeMs;
  };
  for (const name of files) {
    const stats = ahead.get(name) ?? lookAt(`${path}/${name}`);
    ahead.delete(name);
    yield stats && {
      name,
      type: 'file',
      size: stats.size,
      modified: stats.mtime,
      signature: signatureStateOf(name, stats.mtimeMs, modifiedBeside),
    };
  }
}

/** Gathers entries into batches, each the work of one slice of time. */
async function* inSlices(entries: Iterable<ListingEntry | undefined>): AsyncGenerator<ListingEntry[]> {
  let batch: ListingEntry[] = [];
  let sliceEnd = performance.now() + SLICE_MS;
  for (const entry of entries) {
    if (entry !== undefined) batch.push(entry);
    if (performance.now() < sliceEnd) continue;
    yield batch;
    batch = [];
    await nextTurn();
    sliceEnd = performance.now() + SLICE_MS;
  }
  yield batch;
}

/**
 * What a path leads to, `undefined` if that cannot be told. Synchronous on purpose: in a folder that the kernel knows
 * it takes microseconds, a tenth of a round through the thread pool, and the slices keep the event loop free.
 */
function lookAt(path: string, allowed: (path: string) => boolean = () => true): Stats | undefined {
  try {
    return allowed(path) ? statSync(path, { throwIfNoEntry: false }) : undefined;
  } catch {
    return undefined;
  }
}
