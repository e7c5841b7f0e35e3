/** The file `manifest` of an archive, picked out while the archive passes by. */
import { printableText } from '../stream/printable-bytes.js';
import type { TarEntry } from '../stream/tar-entry.js';
import type { TarEvent } from '../stream/tar-reader.js';
import { cleanPath } from './archive.js';
import { type ManifestReading, readImageManifest } from './image-manifest.js';

/** Manifests are a few KiB; one that is larger than this is not read. */
const MANIFEST_LIMIT_BYTES = 4 * 1024 * 1024;

const QUOTE_LIMIT = 500;

/** Takes the events of an archive and keeps the bytes of its first manifest. */
export class ManifestFile {
  #entry: TarEntry | undefined;
  readonly #parts: Buffer[] = [];
  #missingBytes = 0;

  /** @returns the manifest as soon as it is whole, once */
  take(event: TarEvent): ManifestReading | undefined {
    if (event.kind === 'entry') return this.#begin(event.entry);
    if (event.entry !== this.#entry || this.#missingBytes === 0) return undefined;
    this.#parts.push(Buffer.from(event.bytes));
    this.#missingBytes -= event.bytes.length;
    return this.#missingBytes === 0 ? this.#read() : undefined;
  }

  #begin(entry: TarEntry): ManifestReading | undefined {
    if (this.#entry !== undefined || cleanPath(entry.name) !== 'manifest') return undefined;
    this.#entry = entry;
    if (entry.type !== 'file') return problem(`it is a ${entry.type}, expected a regular file`);
    if (entry.size > MANIFEST_LIMIT_BYTES) {
      return problem(`it has ${entry.size} bytes, expected at most ${MANIFEST_LIMIT_BYTES}`);
    }
    this.#missingBytes = entry.size;
    return entry.size === 0 ? this.#read() : undefined;
  }

  #read(): ManifestReading {
    const reading = readImageManifest(Buffer.concat(this.#parts));
    return { ...reading, problems: reading.problems.map((text) => `manifest: ${shown(text)}`) };
  }
}

/** A problem may quote a value of any length. */
function shown(text: string): string {
  return printableText(text.length > QUOTE_LIMIT ? `${text.slice(0, QUOTE_LIMIT)}…` : text);
}

function problem(text: string): ManifestReading {
  return { problems: [`manifest: ${text}`] };
}
