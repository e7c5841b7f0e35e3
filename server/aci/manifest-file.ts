/** The file `manifest` of an archive, read and judged while the archive passes by. */
import { printableText } from '../stream/printable-bytes.js';
import type { TarEvent } from '../stream/tar-reader.js';
import { type ManifestReading, readImageManifest } from './image-manifest.js';
import { ManifestBytes } from './manifest-bytes.js';

const QUOTE_LIMIT = 500;

/** Takes the events of an archive and reads its first manifest. */
export class ManifestFile {
  readonly #bytes = new ManifestBytes();

  /** @returns the manifest as soon as it is whole, once */
  take(event: TarEvent): ManifestReading | undefined {
    const found = this.#bytes.take(event);
    if (found === undefined) return undefined;
    if ('problem' in found) return { problems: [`manifest: ${found.problem}`] };
    const reading = readImageManifest(found.content);
    return { ...reading, problems: reading.problems.map((text) => `manifest: ${shown(text)}`) };
  }
}

/** A problem may quote a value of any length. */
function shown(text: string): string {
  return printableText(text.length > QUOTE_LIMIT ? `${text.slice(0, QUOTE_LIMIT)}…` : text);
}
