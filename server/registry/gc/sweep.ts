/** Removing what nothing refers to, unless somebody has begun to build on it in the meantime. */
import { rm, stat } from 'node:fs/promises';
import { systemCode } from '../../errors.js';
import type { Layout } from '../layout.js';
import { leasedAt } from '../leases.js';
import { holdSweepLock } from '../sweep-lock.js';
import { setAside } from '../trash.js';

/** Something that may go. */
export interface Candidate<T> {
  readonly item: T;
  /** The file or folder that is removed. */
  readonly path: string;
  /** What carries its lease: with any of them younger than the grace it stays. */
  readonly leases: readonly string[];
}

/** So many are removed while pushes wait: that takes some milliseconds, or some tens on a slow disk. */
const BATCH = 16;

/** What is to be removed, and how old its leases must be. */
export interface Sweep<T> {
  readonly candidates: readonly Candidate<T>[];
  /** What has a lease from then or later stays; milliseconds since 1970. */
  readonly since: number;
  /** Ends the work between two batches. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Removes candidates whose leases have ended.
 *
 * @returns those that are gone
 * @throws DepotError `ACCESS_DENIED`, `IO_FAILED`, `BUSY`
 */
export async function sweep<T>(
  layout: Layout,
  { candidates, since, signal }: Sweep<T>,
): Promise<Candidate<T>[]> {
  const gone: Candidate<T>[] = [];
  for (let start = 0; start < candidates.length && !signal?.aborted; start += BATCH) {
    const asides: string[] = [];
    await holdSweepLock(layout, async (expectHeld) => {
      for (const candidate of candidates.slice(start, start + BATCH)) {
        if (!(await isOver(candidate.leases, since))) continue;
        expectHeld();
        const aside = await setAside(layout, candidate.path);
        if (aside === undefined) continue;
        asides.push(aside);
        gone.push(candidate);
      }
    });
    for (const aside of asides) await rm(aside, { recursive: true, force: true });
  }
  return gone;
}

/** Those whose leases have ended by now; what a sweep would remove. */
export async function overdue<T>({ candidates, since }: Sweep<T>): Promise<Candidate<T>[]> {
  const found: Candidate<T>[] = [];
  for (const candidate of candidates) if (await isOver(candidate.leases, since)) found.push(candidate);
  return found;
}

/** What is not there is left alone: whoever makes it at this moment found nothing to take a lease on. */
async function isOver(leases: readonly string[], since: number): Promise<boolean> {
  let isThere = false;
  for (const path of leases) {
    const info = await stat(path).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (info === undefined) continue;
    isThere = true;
    if (leasedAt(info) >= since) return false;
  }
  return isThere;
}
