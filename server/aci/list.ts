/** The entries of an image, one after the other as they pass by. */
import { DepotError } from '../errors.js';
import { cleanPath, readAci } from './archive.js';
import { ArchivePath } from './archive-path.js';
import { describeFully, type ListedAciEntry } from './entry.js';
import { asInvalidAci } from './invalid-aci.js';

/**
 * Reads an archive once, to its end, and keeps nothing of it.
 *
 * @param path - the file, untrusted
 * @param below - what a person wrote to mean an entry and all below it, see {@link ArchivePath}; without it, all
 * @param onEntry - takes the entries in the archive's order
 * @throws DepotError `ACI_INVALID`: no readable archive, also after entries have come; `NOT_FOUND`: no such file, or
 *   nothing at `below`; `ACCESS_DENIED`, `IO_FAILED`
 */
export async function listAci(
  path: string,
  below: string | undefined,
  onEntry: (entry: ListedAciEntry) => void,
): Promise<void> {
  const wanted = new ArchivePath(below ?? '.');
  let found = 0;
  await readAci(path, {
    event(event) {
      if (event.kind !== 'entry' || !wanted.covers(cleanPath(event.entry.name))) return undefined;
      found += 1;
      onEntry(describeFully(event.entry));
      return undefined;
    },
  }).catch((error: unknown) => {
    throw asInvalidAci(error, path);
  });
  if (found === 0 && below !== undefined) {
    throw new DepotError('NOT_FOUND', `${path}: ${wanted.missing}`, { path });
  }
}
