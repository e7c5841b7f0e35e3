/** Repositories of which nothing is left but empty folders, and which would stay in the catalog for ever. */
import type { Dirent } from 'node:fs';
import { readdir, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileError, isMissing } from '../../errors.js';
import type { RepositoryName } from '../../oci/reference.js';
import type { Layout } from '../layout.js';
import { leasedAt } from '../leases.js';
import { holdSweepLock } from '../sweep-lock.js';
import { throwAway } from '../trash.js';

/** When and how an empty repository goes. */
export interface EmptyRules {
  /** A repository to which something came or from which something went then or later stays; milliseconds since 1970. */
  readonly since: number;
  readonly dryRun: boolean;
}

/**
 * Removes a repository that has been empty for long, and the folders above it that held nothing else. Repositories whose names
 * begin with its own stay. A folder that gets something in the meantime stays, too.
 *
 * @returns whether it is gone, or would be
 * @throws DepotError `ACCESS_DENIED`, `IO_FAILED`, `BUSY`
 */
export async function removeIfEmpty(
  layout: Layout,
  repository: RepositoryName,
  { since, dryRun }: EmptyRules,
): Promise<boolean> {
  const look = () => emptyFolders(layout, repository, since);
  if ((await look()) === undefined) return false;
  if (dryRun) return true;
  return holdSweepLock(layout, async (expectHeld) => {
    // Who began to push before the lock was made has left a trace by now.
    const folders = await look();
    if (folders === undefined) return false;
    expectHeld();
    await throwAway(layout, join(layout.repository(repository), REFERRERS));
    for (const folder of folders) if (!(await removeEmpty(folder))) return false;
    let above = layout.repository(repository);
    while (above !== layout.repositories && (await removeEmpty(above))) above = dirname(above);
    return true;
  });
}

/** Derived from manifests, so without one it says nothing. */
const REFERRERS = '_referrers';

/**
 * The folders of a repository, those within others first.
 *
 * @returns `undefined` if there is something in one, or one has changed since
 */
async function emptyFolders(
  layout: Layout,
  repository: RepositoryName,
  since: number,
): Promise<string[] | undefined> {
  const top = layout.repository(repository);
  const found: string[] = [];
  const own = (await entriesOf(top)).filter(({ name }) => name.startsWith('_') && name !== REFERRERS);
  const open: [parent: string, entry: Dirent][] = own.map((entry) => [top, entry]);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [parent, entry] = next;
    if (!entry.isDirectory()) return undefined;
    const folder = join(parent, entry.name);
    found.push(folder);
    for (const within of await entriesOf(folder)) open.push([folder, within]);
  }
  for (const folder of [top, ...found]) {
    const info = await stat(folder).catch(() => undefined);
    if (info === undefined || leasedAt(info) >= since) return undefined;
  }
  return found.reverse();
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw fileError(error, folder);
  });
}

/** @returns `false` if it has something in it again, or may not be removed */
function removeEmpty(folder: string): Promise<boolean> {
  return rmdir(folder).then(
    () => true,
    () => false,
  );
}
