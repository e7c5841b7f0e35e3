/** What a conversion has used up of its limits. */
import type { TarEntry } from '../stream/tar-entry.js';
import { imageInvalid } from './image-invalid.js';
import type { ConvertLimits } from './limits.js';

/** Counts while the layers pass by. */
export class Budget {
  readonly #limits: ConvertLimits;
  #entries = 0;
  #textBytes = 0;
  #expandedBytes = 0;

  constructor(limits: ConvertLimits) {
    this.#limits = limits;
  }

  /**
   * Counts uncompressed bytes.
   *
   * @param count - how many came
   * @param layer - bytes of this layer so far, as stored and uncompressed
   * @throws DepotError `IMAGE_INVALID`
   */
  spendBytes(count: number, layer: { readonly stored: number; readonly expanded: number }): void {
    const { size, ratio, ratioFrom } = this.#limits;
    this.#expandedBytes += count;
    if (this.#expandedBytes > size) throw beyond(`${size} bytes uncompressed`, 'size');
    if (layer.expanded > ratioFrom && layer.expanded > layer.stored * ratio) {
      throw imageInvalid(`it is more than ${ratio} times as large uncompressed (convert.limits.ratio)`);
    }
  }

  /** @throws DepotError `IMAGE_INVALID` */
  spendEntry({ name, linkName, uname, gname, xattrs }: TarEntry): void {
    this.#entries += 1;
    this.#textBytes += name.length + linkName.length + uname.length + gname.length;
    for (const [key, value] of xattrs) this.#textBytes += key.length + value.length;
    const { entries, text } = this.#limits;
    if (this.#entries > entries) throw beyond(`${entries} entries`, 'entries');
    if (this.#textBytes > text) throw beyond(`${text} bytes of names`, 'text');
  }
}

function beyond(limit: string, key: keyof ConvertLimits): Error {
  return imageInvalid(`the layers have more than ${limit} (convert.limits.${key})`);
}
