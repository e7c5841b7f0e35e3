/** The bytes of one blob on their way from an upstream, also when the way breaks in the middle. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DepotError } from '../../errors.js';
import type { Digest } from '../../oci/digest.js';
import type { Reply } from './dial.js';
import type { Endpoint } from './endpoint.js';
import { connectionFailure, upstreamFailed } from './failures.js';
import type { Source } from './source.js';

/** What is fetched from where. */
export interface TransferOrder {
  readonly source: Source;
  /** Repository, as the upstream knows it. */
  readonly name: string;
  readonly digest: Digest;
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

/** One blob, in the order of its bytes. */
export class BlobTransfer {
  readonly #order: TransferOrder;
  #endpoint: Endpoint | undefined;
  #size: number | undefined;
  #received = 0;

  constructor(order: TransferOrder) {
    this.#order = order;
  }

  /** Bytes in all, as far as the upstream has told. */
  get size(): number | undefined {
    return this.#size;
  }

  /** Bytes so far. */
  get received(): number {
    return this.#received;
  }

  /** Who sent the last of them. */
  get endpoint(): Endpoint | undefined {
    return this.#endpoint;
  }

  /**
   * The bytes as they come; {@link size} is known, if ever, when `onStart` is called.
   *
   * @throws DepotError `BLOB_UNKNOWN`, `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`; whatever `onStart` throws
   */
  async *chunks(onStart: () => Promise<void>): AsyncGenerator<Uint8Array> {
    let barren = 0;
    for (let answers = 1; ; answers += 1) {
      const reply = await this.#ask();
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
      return connectionFailure(this.#order.source.name, error).error;
    }
    const isAll = this.#size === undefined || this.#received === this.#size;
    return isAll ? undefined : this.#failed('sent less than it had announced');
  }

  async #ask(): Promise<Reply> {
    const { source, name, digest, signal } = this.#order;
    const answer = await source.ask({
      method: 'GET',
      name,
      what: `blobs/${digest}`,
      headers: this.#received === 0 ? {} : { range: `bytes=${this.#received}-` },
      verified: true,
      tries: 3,
      signal,
    });
    if (answer === undefined) {
      throw new DepotError('BLOB_UNKNOWN', `${source.name} has no such blob`, { digest });
    }
    this.#endpoint = answer.endpoint;
    return answer.reply;
  }

  /** @returns how many of the bytes that come are here already */
  #takeUp(reply: Reply): number {
    const { 'content-encoding': encoding = 'identity' } = reply.headers;
    const part = encoding === 'identity' ? partOf(reply) : undefined;
    const again = this.#received > 0;
    const fits = part !== undefined && part.start <= this.#received && (!again || part.size === this.#size);
    if (fits) {
      this.#size = part.size;
      return this.#received - part.start;
    }
    reply.drop();
    throw this.#failed(again ? 'goes on with other bytes than it began with' : 'sends what cannot be read');
  }

  #failed(reason: string): DepotError {
    return upstreamFailed(this.#order.source.name, reason);
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
