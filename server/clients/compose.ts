/** Several kinds as one set of files. */
import { DepotError } from '../errors.js';
import type { ClientFile, ClientTexts } from './client-file.js';
import type { ClientKind } from './kind.js';
import type { Site } from './site.js';

/**
 * Makes the files of kinds for a site. What two of them have in common is there once.
 *
 * @param existing - the text of the machine's own file, for the one kind that joins it
 * @throws DepotError `USAGE`: they contradict each other, or one cannot do what was asked; `KEY_MISSING`
 */
export function composeClients(kinds: readonly ClientKind[], site: Site, existing?: string): ClientTexts {
  refuseMisplaced(kinds, site, existing);
  const files = new Map<string, ClientFile>();
  const notes = new Set<string>(site.warnings.map((warning) => `Warning: ${warning}`));
  for (const kind of kinds) {
    const made = kind.make(site, existing);
    for (const file of made.files) add(files, file);
    for (const note of made.notes) notes.add(note);
    if (site.options.requireSignatures && kind.checksSignatures === false) {
      notes.add(`${kind.name} checks no signatures of images: pin digests there.`);
    }
  }
  return { files: [...files.values()], notes: [...notes] };
}

function refuseMisplaced(
  kinds: readonly ClientKind[],
  { options }: Site,
  existing: string | undefined,
): void {
  if (existing !== undefined && (kinds.length !== 1 || kinds[0]?.merges === undefined)) {
    throw new DepotError('USAGE', 'merge: goes with one kind that has a file to join, such as docker');
  }
  if (options.requireSignatures && !kinds.some((kind) => kind.checksSignatures)) {
    const message = 'require-signatures: only crio, podman and skopeo check signatures of images';
    throw new DepotError('USAGE', message);
  }
}

function add(files: Map<string, ClientFile>, file: ClientFile): void {
  const known = files.get(file.path);
  if (known === undefined) files.set(file.path, file);
  else if (!Buffer.from(known.content).equals(Buffer.from(file.content))) {
    throw new DepotError('USAGE', `two of these kinds write ${file.path}, each its own: ask for one of them`);
  }
}
