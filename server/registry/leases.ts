/**
 * Leases: what a client was told is here stays for as long as the grace of the garbage collection says. The lease is the
 * change time of a file or a folder, so it holds for other processes and after a restart, and no copy can set it back.
 */
import { utimes } from 'node:fs/promises';
import { fileError, systemCode } from '../errors.js';
import type { Layout } from './layout.js';
import { awaitSweep } from './sweep-lock.js';

/**
 * Begins leases on what is about to be built on. Afterwards what is there stays there.
 *
 * @param paths - links, or folders of content; missing ones are passed over
 * @returns whether any of them may be there
 * @throws DepotError `ACCESS_DENIED`, `IO_FAILED`
 */
export async function takeLeases(layout: Layout, paths: readonly string[]): Promise<boolean> {
  const touched = await Promise.all(paths.map(touch));
  if (!touched.includes(true)) return false;
  await awaitSweep(layout);
  return true;
}

/** The same for a client that only asks: a folder that cannot be written to is swept by nobody. */
export async function tryLeases(layout: Layout, paths: readonly string[]): Promise<void> {
  await takeLeases(layout, paths).catch(() => undefined);
}

/** Since when nobody has built on something, in milliseconds since 1970. */
export function leasedAt({ ctimeMs }: { readonly ctimeMs: number }): number {
  return ctimeMs;
}

/** @returns whether it was there */
async function touch(path: string): Promise<boolean> {
  const now = new Date();
  try {
    await utimes(path, now, now);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw fileError(error, path);
  }
}
