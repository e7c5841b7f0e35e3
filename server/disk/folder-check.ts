/** Whether a folder can do its job, and how much room its disk has. */
import { access, constants, stat } from 'node:fs/promises';
import { freeBytes } from './free-space.js';

/** The state of a folder, in words that name no path. */
export type FolderState = 'ok' | 'missing' | 'not a folder' | 'not readable' | 'not writable' | 'disk full';

/** What a folder is needed for. */
export interface FolderNeeds {
  readonly writable: boolean;
  /** Bytes that must be free on its disk where it is written to. */
  readonly freeBytes: number;
}

/** Looks whether a folder can be read, and where it is needed, written to. Never throws. */
export async function checkFolder(path: string, needs: FolderNeeds): Promise<FolderState> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) return 'missing';
  if (!info.isDirectory()) return 'not a folder';
  if (!(await may(path, constants.R_OK | constants.X_OK))) return 'not readable';
  if (!needs.writable) return 'ok';
  if (!(await may(path, constants.W_OK))) return 'not writable';
  const free = await freeBytes(path);
  return free < needs.freeBytes ? 'disk full' : 'ok';
}

async function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
