/** One number for each of very many things, in pages: nothing is ever copied to grow, and no object stands for a number. */

const PAGE_BITS = 14;
const PAGE_ITEMS = 1 << PAGE_BITS;

type Page = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** A list of numbers of one kind that grows as it is written; what was never written is 0. */
export class Column {
  readonly #newPage: () => Page;
  readonly #pages: Page[] = [];

  /** @param kind - the array type that holds the numbers, such as `Uint32Array` */
  constructor(kind: new (length: number) => Page) {
    this.#newPage = () => new kind(PAGE_ITEMS);
  }

  get(index: number): number {
    return this.#pages[index >>> PAGE_BITS]?.[index & (PAGE_ITEMS - 1)] ?? 0;
  }

  set(index: number, value: number): void {
    const number = index >>> PAGE_BITS;
    let page = this.#pages[number];
    while (page === undefined) {
      this.#pages.push(this.#newPage());
      page = this.#pages[number];
    }
    page[index & (PAGE_ITEMS - 1)] = value;
  }
}
