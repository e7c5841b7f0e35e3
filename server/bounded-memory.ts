/** A map that holds so many bytes and no more. */

/** What is kept by key within a bound. */
export class BoundedMemory<T> {
  readonly #maxBytes: number;
  readonly #costOf: (value: T) => number;
  readonly #slots = new Map<string, { readonly value: T; readonly cost: number; used: boolean }>();
  #bytes = 0;

  /**
   * @param maxBytes - all values together
   * @param costOf - the bytes of one
   */
  constructor(maxBytes: number, costOf: (value: T) => number) {
    this.#maxBytes = maxBytes;
    this.#costOf = costOf;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  find(key: string): T | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    slot.used = true;
    return slot.value;
  }

  /** Keeps a value, and forgets the oldest ones that nobody has asked for since the last time (second chance). */
  keep(key: string, value: T): void {
    this.forget(key);
    this.#add(key, value, this.#costOf(value));
    for (const [oldKey, old] of this.#slots) {
      if (this.#bytes <= this.#maxBytes) return;
      this.forget(oldKey);
      if (old.used) this.#add(oldKey, old.value, old.cost);
    }
  }

  forget(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#slots.delete(key);
    this.#bytes -= slot.cost;
  }

  #add(key: string, value: T, cost: number): void {
    this.#slots.set(key, { value, cost, used: false });
    this.#bytes += cost;
  }
}
