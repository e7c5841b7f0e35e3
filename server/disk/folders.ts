/** The folders of a depot when it starts: made where they are missing, swept where a crash left something. */
import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DepotError, fileError, isMissing, systemCode } from '../errors.js';
import { removeStaleTemporaries, syncFolder } from './atomic-file.js';

/**
 * Makes a folder and those above it.
 *
 * @param mode - permission bits of what is made; a folder that is there keeps its own
 * @returns whether it was made now
 * @throws DepotError `IO_FAILED` (something else has that name), `ACCESS_DENIED`, `DISK_FULL`
 */
export async function makeFolder(path: string, mode = 0o777): Promise<boolean> {
  try {
    if ((await stat(path).catch(() => undefined))?.isDirectory()) return false;
    await mkdir(path, { mode }).catch(async (error: unknown) => {
      // Not `recursive: true`: below /proc and the like Node 20 tries that for ever.
      const parent = dirname(path);
      if (systemCode(error) !== 'ENOENT' || !(await makeFolder(parent, mode))) throw error;
      await mkdir(path, { mode });
    });
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') {
      throw new DepotError('IO_FAILED', `${path} is not a folder`, { path });
    }
    throw fileError(error, path);
  }
}

/**
 * Removes the temporary files that killed processes left in a folder and all folders below it. Links are not
 * followed, and what cannot be read is passed over.
 *
 * @returns how many were removed
 */
export async function sweepTemporaries(root: string): Promise<number> {
  const folders = [root];
  let removed = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const here = folder;
    const entries = await readdir(here, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) folders.push(join(here, entry.name));
    removed += await removeStaleTemporaries(here).catch(() => 0);
  }
  return removed;
}

/** Folders that are being made: who needs one that another has just made waits until its name is durable, too. */
const making = new Map<string, Promise<void>>();

/**
 * Makes a folder and those above it, and makes their names durable: a crash does not take a file that was synced into it.
 *
 * @throws DepotError `ACCESS_DENIED`, `DISK_FULL`, `IO_FAILED`
 */
export function makeDurableFolder(path: string): Promise<void> {
  const running = making.get(path);
  if (running !== undefined) return running;
  const made = makeAndSync(path).finally(() => making.delete(path));
  making.set(path, made);
  return made;
}

async function makeAndSync(path: string): Promise<void> {
  if (await makeOne(path)) await syncFolder(dirname(path));
}

/** @returns whether it was not there before */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') return false;
    if (code !== 'ENOENT' || dirname(path) === path) throw fileError(error, path);
    await makeDurableFolder(dirname(path));
    return makeOne(path);
  }
}

/**
 * The names of the folders in a folder, links to folders among them; none if there is no such folder.
 *
 * @throws DepotError `ACCESS_DENIED`, `BUSY`, `IO_FAILED`: it cannot be read, which is not the same as empty
 */
export async function foldersIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const links = entries.filter((entry) => entry.isSymbolicLink());
    const linked = await Promise.all(links.map(({ name }) => isFolder(join(path, name))));
    const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    return [...names, ...links.filter((_, index) => linked[index]).map(({ name }) => name)];
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError(error, path);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
}
