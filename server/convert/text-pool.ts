/** Very many short texts, stored as bytes one after the other: a JavaScript string takes three times the memory. */

const PAGE_BYTES = 256 * 1024;
const LENGTH_BYTES = 2;

/** Texts of bytes as Latin-1, each known by a number from 1 up. */
export class TextPool {
  readonly #pages: Buffer[] = [];
  #used = PAGE_BYTES;

  /** @param text - 4095 bytes at most. @returns its number */
  add(text: string): number {
    if (this.#used + LENGTH_BYTES + text.length > PAGE_BYTES) this.#grow();
    const page = this.#pages.at(-1) ?? this.#grow();
    const offset = this.#used;
    page.writeUInt16LE(text.length, offset);
    page.write(text, offset + LENGTH_BYTES, 'latin1');
    this.#used += LENGTH_BYTES + text.length;
    return (this.#pages.length - 1) * PAGE_BYTES + offset + 1;
  }

  get(id: number): string {
    const { page, offset } = this.#find(id);
    const start = offset + LENGTH_BYTES;
    return page.toString('latin1', start, start + page.readUInt16LE(offset));
  }

  /** Whether a text is the one of that number; without making a string of it. */
  equals(id: number, text: string): boolean {
    const { page, offset } = this.#find(id);
    if (page.readUInt16LE(offset) !== text.length) return false;
    const start = offset + LENGTH_BYTES;
    for (let index = 0; index < text.length; index += 1) {
      if (page[start + index] !== text.charCodeAt(index)) return false;
    }
    return true;
  }

  /** Which of two texts comes first by its bytes, as for a sort. */
  compare(one: number, other: number): number {
    const { page: left, offset: from } = this.#find(one);
    const { page: right, offset: to } = this.#find(other);
    const leftEnd = from + LENGTH_BYTES + left.readUInt16LE(from);
    const rightEnd = to + LENGTH_BYTES + right.readUInt16LE(to);
    return left.compare(right, to + LENGTH_BYTES, rightEnd, from + LENGTH_BYTES, leftEnd);
  }

  #find(id: number): { readonly page: Buffer; readonly offset: number } {
    const page = this.#pages[Math.floor((id - 1) / PAGE_BYTES)];
    if (page === undefined) throw new RangeError(`no text ${id}`);
    return { page, offset: (id - 1) % PAGE_BYTES };
  }

  #grow(): Buffer {
    const page = Buffer.alloc(PAGE_BYTES);
    this.#pages.push(page);
    this.#used = 0;
    return page;
  }
}
