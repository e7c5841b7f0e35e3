/** Looking into an image: its manifest, its ID, what is in it. */
import { createHash } from 'node:crypto';
import { DepotError } from '../errors.js';
import type { Compression } from '../stream/compression.js';
import { readAci } from './archive.js';
import { type AciEntry, describeEntry } from './entry.js';
import { type ImageId, imageIdOf } from './image-id.js';
import type { ManifestReading } from './image-manifest.js';
import { asInvalidAci, NO_MANIFEST } from './invalid-aci.js';
import { ManifestFile } from './manifest-file.js';

/** All that a look into an archive tells. */
export interface AciInspection {
  readonly path: string;
  readonly compression: Compression;
  readonly fileBytes: number;
  /** Bytes of the uncompressed archive. */
  readonly tarBytes: number;
  readonly imageId: ImageId;
  /** The manifest as it stands there, unknown fields and all. */
  readonly manifest: unknown;
  /** Rules that the manifest breaks. */
  readonly problems: readonly string[];
  /** In the archive's order. */
  readonly entries: readonly AciEntry[];
}

/**
 * Reads an archive once, to its end. Memory grows with the number of entries, not with their size.
 *
 * @param path - the file, untrusted
 * @throws DepotError `ACI_INVALID`: no readable archive, or no manifest in it; `NOT_FOUND`, `ACCESS_DENIED`,
 *   `IO_FAILED`: the file cannot be read
 */
export async function inspectAci(path: string): Promise<AciInspection> {
  const hash = createHash('sha512');
  const file = new ManifestFile();
  const entries: AciEntry[] = [];
  let found: ManifestReading | undefined;
  const { compression, fileBytes, tarBytes } = await readAci(path, {
    bytes(chunk) {
      hash.update(chunk);
    },
    event(event) {
      if (event.kind === 'entry') entries.push(describeEntry(event.entry));
      found ??= file.take(event);
      return undefined;
    },
  }).catch((error: unknown) => {
    throw asInvalidAci(error, path);
  });
  if (found?.json === undefined) {
    const problem = found?.problems[0] ?? NO_MANIFEST;
    throw new DepotError('ACI_INVALID', `${path}: ${problem}`, { path });
  }
  const imageId = imageIdOf(hash.digest('hex'));
  const { json: manifest, problems } = found;
  return { path, compression, fileBytes, tarBytes, imageId, manifest, problems, entries };
}
