/**
 * Files that become visible whole: a temporary file beside the target, fsync, rename, fsync of the folder.
 * A crash at any instant leaves the old file or the new one.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError, systemCode } from '../errors.js';

const TEMPORARY_PREFIX = '.bootdepot-';
const TEMPORARY_NAME = /^\.bootdepot-\d+-[0-9a-f]{12}\.tmp$/;

/** A temporary file younger than this may belong to a process that is still writing it. */
const STALE_AFTER_MS = 60 * 60 * 1000;

/** What an atomic write can be told. */
export interface AtomicOptions {
  /** Permission bits of the new file; default 0644 less the umask. */
  readonly mode?: number;
  /** Where the temporary file is, in the same file system; by default beside the target. */
  readonly stage?: string;
  /** `false`: survives the end of this process, but perhaps not that of the machine; spares two syncs. */
  readonly durable?: boolean;
}

/**
 * Writes a file so that readers see the old content or the new, never a part.
 *
 * @param path - target; its folder must exist
 * @param content - the bytes; an iterable is written as it comes, so its length does not matter
 * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `NOT_FOUND` (no such folder), `IO_FAILED`; nothing is left behind
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
  options: AtomicOptions = {},
): Promise<void> {
  const pending = await createPendingFile(path, options);
  try {
    if (typeof content === 'string' || content instanceof Uint8Array) await pending.handle.writeFile(content);
    else for await (const chunk of content) await pending.handle.writeFile(chunk);
    await pending.commit();
  } catch (error) {
    await pending.discard();
    throw fileError(error, path);
  }
}

/** A file that is being written under a temporary name. Ends with `commit` or `discard`. */
export interface PendingFile {
  readonly handle: FileHandle;
  /** Where the bytes are until then, in the same file system. */
  readonly temporaryPath: string;
  /** Makes the bytes durable, if they are to be, and closes the handle, ahead of `commit`, which has less to wait for then. */
  settle(): Promise<void>;
  /** Makes the file durable, if it is to be, and visible under its name; the handle is closed. */
  commit(): Promise<void>;
  /** Removes what was written; safe after a failed `commit`. */
  discard(): Promise<void>;
}

/**
 * Opens a temporary file beside `path`, for content that is not at hand at once.
 *
 * @throws DepotError as {@link writeFileAtomically}
 */
export async function createPendingFile(path: string, options: AtomicOptions = {}): Promise<PendingFile> {
  const folder = dirname(path);
  const { durable = true } = options;
  const temporaryPath = join(options.stage ?? folder, temporaryName());
  let handle: FileHandle;
  try {
    handle = await open(temporaryPath, 'wx', options.mode ?? 0o644);
  } catch (error) {
    throw fileError(error, path);
  }
  let settled = false;
  const settle = async () => {
    if (settled) return;
    if (durable) await handle.sync();
    await handle.close();
    settled = true;
  };
  return {
    handle,
    temporaryPath,
    settle,
    async commit() {
      await settle();
      await rename(temporaryPath, path);
      if (durable) await syncFolder(folder);
    },
    async discard() {
      await handle.close().catch(() => undefined);
      await rm(temporaryPath, { force: true }).catch(() => undefined);
    },
  };
}

/** A sync of a folder that runs, and the one that all who came meanwhile wait for: theirs must begin after they came. */
interface FolderSync {
  readonly running: Promise<void>;
  next?: Promise<void>;
}

const folderSyncs = new Map<string, FolderSync>();

/** Makes the names in a folder durable (a rename is not, until its folder is synced). Those who wait share one sync. */
export function syncFolder(folder: string): Promise<void> {
  const current = folderSyncs.get(folder);
  if (current === undefined) return startSync(folder);
  current.next ??= current.running.catch(() => undefined).then(() => startSync(folder));
  return current.next;
}

function startSync(folder: string): Promise<void> {
  const sync: FolderSync = {
    running: syncNow(folder).finally(() => {
      if (folderSyncs.get(folder) === sync) folderSyncs.delete(folder);
    }),
  };
  folderSyncs.set(folder, sync);
  return sync.running;
}

async function syncNow(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A fresh name for a file or a folder that is still being written; it says whose it is. */
export function temporaryName(): string {
  return `${TEMPORARY_PREFIX}${process.pid}-${randomBytes(6).toString('hex')}.tmp`;
}

/** Whether a name is one of ours for a file that is still being written. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY_NAME.test(basename(name));
}

/**
 * Removes temporary files and folders that a killed process left in one folder. Those of a living process are kept: one
 * that was touched within the hour, unless the process in its name is gone, or had this process's number before it.
 *
 * @returns how many were removed
 */
export async function removeStaleTemporaries(folder: string, now: number = Date.now()): Promise<number> {
  let removed = 0;
  for (const name of await readdir(folder)) {
    if (!isTemporaryName(name)) continue;
    const path = join(folder, name);
    const info = await stat(path).catch(() => undefined);
    if (info === undefined) continue;
    const owner = Number(name.slice(TEMPORARY_PREFIX.length).split('-')[0]);
    if (now - info.mtimeMs < STALE_AFTER_MS && isAlive(owner, info.mtimeMs)) continue;
    await rm(path, { recursive: true, force: true });
    removed += 1;
  }
  return removed;
}

/**
 * Whether the process that wrote something still runs. In a container each start may have the same number.
 *
 * @param writtenAt - milliseconds since 1970
 */
export function isAlive(pid: number, writtenAt: number): boolean {
  if (pid === process.pid) return writtenAt >= performance.timeOrigin;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}
