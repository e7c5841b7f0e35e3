/** How many uploads are written at a time, so that one client, or all of them together, cannot take every hand there is. */
import type { IncomingMessage } from 'node:http';
import { DepotError } from '../../index.js';

/** The places for uploads that are being sent. */
export class UploadSlots {
  readonly #most: number;
  readonly #perClient: number;
  /** How many each address has now. */
  readonly #taken = new Map<string, number>();
  #all = 0;

  /**
   * @param most - at a time
   * @param perClient - of these, from one address
   */
  constructor(most: number, perClient: number) {
    this.#most = most;
    this.#perClient = perClient;
  }

  /**
   * Does work that reads what a client uploads.
   *
   * @throws DepotError `TOO_MANY_REQUESTS`, before the work begins; whatever the work throws
   */
  async during(req: IncomingMessage, work: () => Promise<void>): Promise<void> {
    const client = req.socket.remoteAddress ?? 'local';
    const taken = this.#taken.get(client) ?? 0;
    if (this.#all >= this.#most || taken >= this.#perClient) {
      throw new DepotError('TOO_MANY_REQUESTS', 'too many uploads at a time: try again', {
        most: this.#most,
        perClient: this.#perClient,
      });
    }
    this.#all += 1;
    this.#taken.set(client, taken + 1);
    try {
      await work();
    } finally {
      this.#all -= 1;
      this.#leave(client);
    }
  }

  #leave(client: string): void {
    const left = (this.#taken.get(client) ?? 1) - 1;
    if (left === 0) this.#taken.delete(client);
    else this.#taken.set(client, left);
  }
}
