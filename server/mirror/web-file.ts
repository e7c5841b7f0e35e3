/** Files at plain addresses, asked for with the patience that registries get. */
import { DepotError } from '../errors.js';
import { createDial, type Dial, type Reply } from '../registry/upstream/dial.js';
import { Endpoint } from '../registry/upstream/endpoint.js';
import { connectionFailure } from '../registry/upstream/failures.js';
import { readBody } from '../registry/upstream/read-body.js';
import type { Timing } from '../registry/upstream/timing.js';
import { Transfer } from '../registry/upstream/transfer.js';

/** How servers are asked. */
export interface WebOptions {
  /** Where proxies are named. */
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly timing: Timing;
  readonly signal: AbortSignal;
}

const TRIES = 6;

/** Servers of files, each with its connections. */
export class Web {
  readonly #options: WebOptions;
  readonly #servers = new Map<string, { readonly dial: Dial; readonly endpoint: Endpoint }>();

  constructor(options: WebOptions) {
    this.#options = options;
  }

  /**
   * The bytes of a file from an offset on. They are checked by somebody else.
   *
   * @param onSize - told how many there are in all, if the server says
   * @throws DepotError `NOT_FOUND`, `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`
   */
  read(url: URL, offset: number, onSize: (bytes: number) => void): AsyncIterable<Uint8Array> {
    const { timing, signal } = this.#options;
    const transfer = new Transfer({
      upstream: url.host,
      ask: (start) => this.#ask(url, start),
      start: offset,
      backoff: timing.backoff,
      signal,
      onBytes: () => undefined,
    });
    return transfer.chunks(async () => {
      if (transfer.size !== undefined) onSize(transfer.size);
    });
  }

  /** A short file. @throws DepotError as {@link read}; `UPSTREAM_FAILED`: it is not short */
  async short(url: URL, maxBytes: number): Promise<Buffer> {
    const { body } = await this.#ask(url, 0);
    const bytes = await readBody(body, maxBytes).catch((error: unknown) => {
      throw connectionFailure(url.host, error).error;
    });
    if (bytes !== undefined) return bytes;
    throw new DepotError('UPSTREAM_FAILED', `${plain(url)} is longer than ${maxBytes} bytes`);
  }

  /** Breaks all connections off. */
  async close(): Promise<void> {
    await Promise.all([...this.#servers.values()].map(({ dial }) => dial.close()));
  }

  async #ask(url: URL, start: number): Promise<Reply> {
    const reply = await this.#endpointOf(url).ask({
      method: 'GET',
      name: '',
      what: '',
      url,
      headers: start === 0 ? {} : { range: `bytes=${start}-` },
      verified: true,
      tries: TRIES,
      signal: this.#options.signal,
    });
    if (reply !== undefined) return reply;
    throw new DepotError('NOT_FOUND', `${plain(url)} does not exist`);
  }

  #endpointOf(url: URL): Endpoint {
    const { env, timing } = this.#options;
    const known = this.#servers.get(url.origin);
    if (known !== undefined) return known.endpoint;
    const dial = createDial({ upstream: url.host, env, timing });
    const endpoint = new Endpoint({
      upstream: url.host,
      url: new URL(url.origin),
      credentials: {},
      dial,
      timing,
    });
    this.#servers.set(url.origin, { dial, endpoint });
    return endpoint;
  }
}

/** An address without its query, which may hold a secret. */
export function plain({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}
