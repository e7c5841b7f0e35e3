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
    const { expandedBytes, ratio, ratioFloorBytes } = this.#limits;
    this.#expandedBytes += count;
    if (this.#expandedBytes > expandedBytes) throw beyond(`${expandedBytes} bytes uncompressed`);
    if (layer.expanded > ratioFloorBytes && layer.expanded > layer.stored * ratio) {
      throw imageInvalid(`it is more than ${ratio} times as large uncompressed, which no image is`);
    }
  }

  /** @throws DepotError `IMAGE_INVALID` */
  spendEntry({ name, linkName, xattrs }: TarEntry): void {
    this.#entries += 1;
    this.#textBytes += name.length + linkName.length;
    for (const [key, value] of xattrs) this.#textBytes += key.length + value.length;
    if (this.#entries > this.#limits.entries) throw beyond(`${this.#limits.entries} entries`);
    if (this.#textBytes > this.#limits.textBytes) throw beyond(`${this.#limits.textBytes} bytes of names`);
  }
}

function beyond(limit: string): Error {
  return imageInvalid(`the layers have more than ${limit}, which no image needs`);
}
