/** Reading no faster than allowed, so that others get their share of a disk. */
import { setTimeout as sleep } from 'node:timers/promises';

/** A rest that is shorter is not worth a timer. */
const SHORTEST_REST_MS = 5;

/** Time that was not used is not made up for in one go. */
const MOST_CREDIT_MS = 200;

/** A bound on bytes a second. */
export class Throttle {
  readonly #bytesPerMs: number;
  #dueAt = performance.now();

  /** @param bytesPerSecond - 0 for no bound */
  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Notes that bytes were read. */
  spend(bytes: number): void {
    if (this.#bytesPerMs === 0) return;
    this.#dueAt = Math.max(this.#dueAt, performance.now() - MOST_CREDIT_MS) + bytes / this.#bytesPerMs;
  }

  /** Waits until so much was allowed, or until the signal; never fails. */
  async rest(signal?: AbortSignal): Promise<void> {
    const restMs = this.#dueAt - performance.now();
    if (restMs < SHORTEST_REST_MS) return;
    await sleep(restMs, undefined, { signal }).catch(() => undefined);
  }
}
