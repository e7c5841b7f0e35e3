/** Telling an image from anything else that is called `.aci`. */
import { DepotError } from '../errors.js';
import type { Compression } from '../stream/compression.js';
import { readAci } from './archive.js';
import type { ImageManifest, ManifestReading } from './image-manifest.js';
import { asInvalidAci, NO_MANIFEST } from './invalid-aci.js';
import { ManifestFile } from './manifest-file.js';

/** What a file was found to be. */
export interface IdentifiedAci {
  readonly compression: Compression;
  readonly manifest: ImageManifest;
}

/**
 * Opens a file far enough to know that it is an image: up to the end of its manifest, which stands first in most.
 * The rest is not looked at.
 *
 * @param path - the file, untrusted
 * @throws DepotError `ACI_INVALID`: what is wrong and what was expected; `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`:
 *   the file cannot be read
 */
export async function identifyAci(path: string): Promise<IdentifiedAci> {
  const file = new ManifestFile();
  let found: ManifestReading | undefined;
  const { compression } = await readAci(path, {
    event(event) {
      found = file.take(event);
      return found === undefined ? undefined : 'enough';
    },
  }).catch((error: unknown) => {
    throw asInvalidAci(error, path);
  });
  if (found?.manifest !== undefined) return { compression, manifest: found.manifest };
  const problem = found?.problems[0] ?? NO_MANIFEST;
  throw new DepotError('ACI_INVALID', `${path}: ${problem}`, { path });
}
