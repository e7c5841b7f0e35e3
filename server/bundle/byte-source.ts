/** Bytes that come in any cut, taken in the cut that is wanted. */
import { DepotError } from '../errors.js';

/** A stream that is read once, from its beginning. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /**
   * Takes bytes that fit in memory.
   *
   * @param what - they belong to, for messages
   * @throws DepotError `BUNDLE_INVALID`: the stream ends before
   */
  async take(bytes: number, what: string): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of this.stream(bytes, what)) parts.push(part);
    return Buffer.concat(parts);
  }

  /**
   * Passes bytes on as they come. What is not read stays in the stream.
   *
   * @throws DepotError as {@link take}; whatever the stream throws
   */
  async *stream(bytes: number, what: string): AsyncGenerator<Uint8Array> {
    let left = bytes;
    while (left > 0) {
      if (this.#rest.length === 0) this.#rest = await this.#next(what);
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      if (part.length > 0) yield part;
    }
  }

  /** Lets go of the stream, whatever is left of it. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(what: string): Promise<Uint8Array> {
    const next = await this.#chunks.next();
    if (next.done !== true) return next.value;
    throw new DepotError('BUNDLE_INVALID', `the bundle is cut short: it ends within ${what}`, { file: what });
  }
}
