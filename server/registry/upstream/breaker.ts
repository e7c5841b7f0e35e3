/** Leaves an upstream alone that keeps failing, so that nobody waits for it. */

/** Failures in a row after which it is left alone. */
const MOST_FAILURES = 3;

/** The state of one address of an upstream. */
export class Breaker {
  readonly #restMs: number;
  #failures = 0;
  #until = 0;
  #reason = '';

  /** @param restMs - for how long it is left alone */
  constructor(restMs: number) {
    this.#restMs = restMs;
  }

  /** Why it is not to be asked now, as a sentence without a subject; `undefined` if it may be. */
  get reason(): string | undefined {
    const left = this.#until - performance.now();
    return left > 0 ? `${this.#reason}, and is not asked for another ${Math.ceil(left / 1000)} s` : undefined;
  }

  /** It answered, whatever it said. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** It did not. One more failure after a rest is enough for the next. */
  failed(reason: string): void {
    this.#failures += 1;
    if (this.#failures >= MOST_FAILURES) this.block(reason, this.#restMs);
  }

  /** It is not to be asked for a while, at once. */
  block(reason: string, ms: number): void {
    this.#reason = reason;
    this.#until = performance.now() + ms;
  }
}
