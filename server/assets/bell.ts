/** A bell that one worker waits for and anybody may ring. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Remembers a ring until it is taken, so that none is lost while the worker works. */
export class Bell {
  #rung = false;
  #wake: () => void = () => undefined;

  /** Whether it was rung since the last {@link take}. */
  readonly isRung = (): boolean => this.#rung;

  readonly ring = (): void => {
    this.#rung = true;
    this.#wake();
  };

  take(): void {
    this.#rung = false;
  }

  /**
   * Waits for a ring, or for the time to pass.
   *
   * @param mostMs - how long at most, milliseconds
   * @param gatherMs - how long to go on waiting after a ring, because they come in bursts
   * @param signal - ends the second wait before it begins
   */
  async wait(mostMs: number, gatherMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung) await this.#ringOr(mostMs);
    if (this.#rung && !signal.aborted) await sleep(gatherMs);
  }

  async #ringOr(mostMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, mostMs);
      this.#wake = resolve;
    });
    clearTimeout(timer);
    this.#wake = () => undefined;
  }
}
