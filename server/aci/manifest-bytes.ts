/** The bytes of the file `manifest` of an archive, picked out while the archive passes by. */
import type { TarEntry } from '../stream/tar-entry.js';
import type { TarEvent } from '../stream/tar-reader.js';
import { cleanPath } from './archive.js';

/** Manifests are a few KiB; one that is larger than this is not read. */
const MANIFEST_LIMIT_BYTES = 4 * 1024 * 1024;

/** What stands where the manifest should: its bytes, or why there are none. */
export type FoundManifest = { readonly content: Buffer } | { readonly problem: string };

/** Takes the events of an archive and keeps the bytes of its first manifest. */
export class ManifestBytes {
  #entry: TarEntry | undefined;
  readonly #parts: Buffer[] = [];
  #missingBytes = 0;

  /** @returns the manifest as soon as it is whole, once */
  take(event: TarEvent): FoundManifest | undefined {
    if (event.kind === 'entry') return this.#begin(event.entry);
    if (event.entry !== this.#entry || this.#missingBytes === 0) return undefined;
    this.#parts.push(Buffer.from(event.bytes));
    this.#missingBytes -= event.bytes.length;
    return this.#missingBytes === 0 ? { content: Buffer.concat(this.#parts) } : undefined;
  }

  #begin(entry: TarEntry): FoundManifest | undefined {
    if (this.#entry !== undefined || cleanPath(entry.name) !== 'manifest') return undefined;
    this.#entry = entry;
    if (entry.type !== 'file') return { problem: `it is a ${entry.type}, expected a regular file` };
    if (entry.size > MANIFEST_LIMIT_BYTES) {
      return { problem: `it has ${entry.size} bytes, expected at most ${MANIFEST_LIMIT_BYTES}` };
    }
    this.#missingBytes = entry.size;
    return entry.size === 0 ? { content: Buffer.alloc(0) } : undefined;
  }
}
