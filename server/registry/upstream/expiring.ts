/** What is remembered for a while. */

/** Values that are remembered until then; the oldest are forgotten first. */
const MOST = 50_000;

/** A map whose entries end by themselves, and whose size is bounded. */
export class Expiring<Value> {
  readonly #entries = new Map<string, { readonly value: Value; readonly until: number }>();

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.until > performance.now()) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  /** @param ms - for how long */
  set(key: string, value: Value, ms: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: performance.now() + ms });
    if (this.#entries.size <= MOST) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
