/**
 * Keeps those who remove what nothing refers to and those who build on what is there out of each other's way, in one
 * process or in several: a file that exists while something is being removed. It is held for moments.
 *
 * Who builds touches what it builds on and then waits for the file to go ({@link awaitSweep}). Who removes makes the file and
 * then looks whether a candidate was touched ({@link holdSweepLock}). Whichever comes first, one of them sees the other.
 */
import { open, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import { makeDurableFolder } from '../disk/folders.js';
import { DepotError, fileError, systemCode } from '../errors.js';
import type { Layout } from './layout.js';

/** A lock older than that belongs to a process that was killed. */
const STALE_AFTER_MS = 30_000;

/** A holder that was stopped for so long does not go on: others may have taken the lock for a dead one's. */
const HELD_AT_MOST_MS = 10_000;

const LOOK_EVERY_MS = 20;

/**
 * Waits until nothing is being removed.
 *
 * @throws the error of the system if the lock can neither be seen nor removed
 */
export async function awaitSweep(layout: Layout): Promise<void> {
  while (await isLocked(lockPath(layout))) await sleep(LOOK_EVERY_MS);
}

/**
 * Removes something while nobody builds on it.
 *
 * @param work - short; before each removal it looks at its candidates again, and asks whether the lock is still its own
 * @throws whatever `work` throws; DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function holdSweepLock<T>(
  layout: Layout,
  work: (expectHeld: () => void) => Promise<T>,
): Promise<T> {
  const path = lockPath(layout);
  await makeDurableFolder(layout.own());
  let lock = await takeLock(path);
  for (; lock === undefined; lock = await takeLock(path)) await awaitSweep(layout);
  const until = performance.now() + HELD_AT_MOST_MS;
  try {
    return await work(() => {
      if (performance.now() < until) return;
      throw new DepotError('BUSY', 'removing took too long and was broken off: try again');
    });
  } finally {
    await release(path, lock);
  }
}

function lockPath(layout: Layout): string {
  return layout.own('sweeping');
}

/** The lock is an empty file, for which there is room on a full disk. */
async function takeLock(path: string): Promise<FileVersion | undefined> {
  try {
    const file = await open(path, 'wx');
    return await file.stat().finally(() => file.close());
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return undefined;
    throw fileError(error, path);
  }
}

async function isLocked(path: string): Promise<boolean> {
  const info = await stat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path);
  });
  if (info === undefined) return false;
  if (Date.now() - info.ctimeMs < STALE_AFTER_MS) return true;
  await rm(path, { force: true });
  return false;
}

/** Only one's own: a lock that was taken for a dead one's may be somebody else's by now. */
async function release(path: string, lock: FileVersion): Promise<void> {
  const now = await stat(path).catch(() => undefined);
  if (now !== undefined && sameVersion(now, lock)) await rm(path, { force: true });
}
