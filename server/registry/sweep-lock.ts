/**
 * Keeps those who remove what nothing refers to and those who build on what is there out of each other's way, in one
 * process or in several: a link that exists while something is being removed. It is held for moments.
 *
 * Who builds touches what it builds on and then waits for the link to go ({@link awaitSweep}). Who removes makes the link and
 * then looks whether a candidate was touched ({@link holdSweepLock}). Whichever comes first, one of them sees the other.
 */
import { lstatSync } from 'node:fs';
import { lstat, open, readlink, rm, symlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import { makeDurableFolder } from '../disk/folders.js';
import { DepotError, fileError, systemCode } from '../errors.js';
import type { Layout } from './layout.js';
import { isGone, lockOwner } from './lock-owner.js';

/** A lock older than that belongs to a process that was killed, where that cannot be told otherwise. */
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
  while (mayBeLocked(layout) && (await isLocked(layout))) await sleep(LOOK_EVERY_MS);
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

/** The lock is a link to nothing, which says who holds it, is made at once, and for which there is room on a full disk. */
async function takeLock(path: string): Promise<FileVersion | undefined> {
  try {
    await makeLock(path);
    return await lstat(path);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return undefined;
    throw fileError(error, path);
  }
}

async function makeLock(path: string): Promise<void> {
  try {
    await symlink(await lockOwner(), path);
  } catch (error) {
    // File systems of memory sticks know no links.
    if (!/^(?:EPERM|ENOTSUP|EOPNOTSUPP|ENOSYS)$/.test(systemCode(error) ?? '')) throw error;
    await open(path, 'wx').then((file) => file.close());
  }
}

/** Each push looks some times, and most often there is nothing: to ask another thread would cost ten times as much. */
function mayBeLocked(layout: Layout): boolean {
  try {
    return lstatSync(lockPath(layout), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

async function isLocked(layout: Layout): Promise<boolean> {
  const path = lockPath(layout);
  const lock = await seen(path);
  if (lock === undefined) return false;
  // Somebody may have taken it since, so it is looked at again.
  if (await isDead(path, lock)) await removeDead(layout, lock);
  return true;
}

/** @throws DepotError `ACCESS_DENIED`, `IO_FAILED` */
async function seen(path: string): Promise<FileVersion | undefined> {
  return lstat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path);
  });
}

async function isDead(path: string, { ctimeMs }: FileVersion): Promise<boolean> {
  if (Date.now() - ctimeMs >= STALE_AFTER_MS) return true;
  return isGone(await readlink(path).catch(() => 'unknown'));
}

/**
 * Two who find one lock dead could remove it and the next one, so only one at a time removes: whoever makes a link of its own
 * first. The others see the lock as it is, and look again.
 */
async function removeDead(layout: Layout, lock: FileVersion): Promise<void> {
  const guard = layout.own('sweeping-ended');
  const own = await takeLock(guard);
  if (own === undefined) {
    const other = await seen(guard);
    if (other !== undefined && (await isDead(guard, other))) await release(guard, other);
    return;
  }
  await release(lockPath(layout), lock);
  await release(guard, own);
}

/** Only this one: by now there may be another. */
async function release(path: string, lock: FileVersion): Promise<void> {
  const now = await lstat(path).catch(() => undefined);
  if (now !== undefined && sameVersion(now, lock)) await rm(path, { force: true });
}
