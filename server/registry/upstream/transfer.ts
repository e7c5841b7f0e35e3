/** The bytes of one thing on their way from another server, also when the way breaks in the middle. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DepotError } from '../../errors.js';
import type { Reply } from './dial.js';
import { connectionFailure, upstreamFailed } from './failures.js';

/** What is fetched. */
export interface TransferOrder {
  /** Who sends, for messages. */
  readonly upstream: string;
  /** Asks for the bytes from an offset on; with 0 for all of them. */
  readonly ask: (offset: number) => Promise<Reply>;
  /** Bytes that are here already, from an earlier try. */
  readonly start?: number | undefined;
  /** Bytes in all, as far as they are known before anything is asked. */
  readonly size?: number | undefined;
  /** Milliseconds before it is gone on with, after a break. */
  readonly backoff: number;
  readonly signal: AbortSignal;
  /** Told of bytes as they come. */
  readonly onBytes: (bytes: number) => void;
}

/** Answers in a row that brought no byte, after which it is given up. */
const MOST_BARREN = 3;
/** Answers in all: one that brings a single byte each time does not go on for ever. */
const MOST_ANSWERS = 100;

/** One thing, in the order of its bytes. */
export class Transfer {
  readonly #order: TransferOrder;
  #size: number | undefined;
  #received: number;

  constructor(order: TransferOrder) {
    this.#order = order;
    this.#size = order.size;
    this.#received = order.start ?? 0;
  }

  /** Bytes in all, as far as they are known. */
  get size(): number | undefined {
    return this.#size;
  }

  /** Bytes so far. */
  get received(): number {
    return this.#received;
  }

  /**
   * The bytes as they come; {@link size} is known, if ever, when `onStart` is called.
   *
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`; whatever `ask` and `onStart` throw
   */
  async *chunks(onStart: () => Promise<void>): AsyncGenerator<Uint8Array> {
    let barren = 0;
    for (let answers = 1; ; answers += 1) {
      const reply = await this.#order.ask(this.#received);
      const before = this.#received;
      const skip = this.#takeUp(reply);
      if (answers === 1) await this.#begin(reply, onStart);
      const failure = yield* this.#bodyOf(reply, skip);
      if (failure === undefined) return;
      barren = this.#received > before ? 0 : barren + 1;
      if (barren === MOST_BARREN || answers === MOST_ANSWERS || this.#order.signal.aborted) throw failure;
      await sleep(this.#order.backoff, undefined, { ref: false });
    }
  }

  async #begin(reply: Reply, onStart: () => Promise<void>): Promise<void> {
    try {
      await onStart();
    } catch (error) {
      reply.drop();
      throw error;
    }
  }

  /** @returns why this was not all of it */
  async *#bodyOf({ body }: Reply, alreadyHere: number): AsyncGenerator<Uint8Array, DepotError | undefined> {
    let skip = alreadyHere;
    try {
      for await (const chunk of body) {
        if (!(chunk instanceof Uint8Array)) continue;
        const fresh = chunk.subarray(skip);
        skip -= chunk.length - fresh.length;
        this.#received += fresh.length;
        this.#order.onBytes(fresh.length);
        if (fresh.length > 0) yield fresh;
      }
    } catch (error) {
      return connectionFailure(this.#order.upstream, error).error;
    }
    const isAll = this.#size === undefined || this.#received === this.#size;
    return isAll ? undefined : this.#failed('sent less than it had announced');
  }

  /** @returns how many of the bytes that come are here already */
  #takeUp(reply: Reply): number {
    const { 'content-encoding': encoding = 'identity' } = reply.headers;
    const part = encoding === 'identity' ? partOf(reply) : undefined;
    const again = this.#received > 0;
    const fits = part !== undefined && part.start <= this.#received && this.#isSize(part.size);
    if (fits) {
      this.#size = part.size ?? this.#size;
      return this.#received - part.start;
    }
    reply.drop();
    throw this.#failed(again ? 'goes on with other bytes than it began with' : 'sends what cannot be read');
  }

  /** Whether an answer is one of as many bytes as were told before. */
  #isSize(size: number | undefined): boolean {
    return size === undefined || this.#size === undefined || size === this.#size;
  }

  #failed(reason: string): DepotError {
    return upstreamFailed(this.#order.upstream, reason);
  }
}

/** Where the bytes of an answer begin, and how many there are in all. */
function partOf({ status, headers }: Reply): { start: number; size: number | undefined } | undefined {
  if (status === 200) {
    const length = headers['content-length'];
    return {
      start: 0,
      size: typeof length === 'string' && /^\d+$/.test(length) ? Number(length) : undefined,
    };
  }
  const [, start, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(String(headers['content-range'])) ?? [];
  return start === undefined ? undefined : { start: Number(start), size: Number(size) };
}
