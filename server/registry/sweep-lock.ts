/**
 * Keeps those who remove what nothing refers to and those who build on what is there out of each other's way, in one
 * process or in several: a file that exists while something is being removed. It is held for moments.
 *
 * Who builds touches what it builds on and then waits for the file to go ({@link awaitSweep}). Who removes makes the file and
 * then looks whether a candidate was touched ({@link holdSweepLock}). Whichever comes first, one of them sees the other.
 */
import { open, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
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
  while (!(await takeLock(path))) await awaitSweep(layout);
  const until = performance.now() + HELD_AT_MOST_MS;
  try {
    return await work(() => {
      if (performance.now() < until) return;
      throw new DepotError('BUSY', 'removing took too long and was broken off: try again');
    });
  } finally {
    await release(path);
  }
}

function lockPath(layout: Layout): string {
  return layout.own('sweeping');
}

async function takeLock(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(String(process.pid)).finally(() => file.close());
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
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
async function release(path: string): Promise<void> {
  const owner = await readFile(path, 'latin1').catch(() => '');
  if (owner === String(process.pid)) await rm(path, { force: true });
}
