/** One receiver of notifications: gets them in their order, each again and again until it says that it has it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DepotError, systemCode } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { NotificationFormat, NotificationMessage } from './envelope.js';
import { readHeadersFile } from './headers-file.js';
import { Spool } from './spool.js';

/** A receiver, as the configuration names it. */
export interface EndpointConfig {
  /** For logs, metrics and its folder. */
  readonly name: string;
  readonly url: string;
  /** A file of header fields that go with each message. */
  readonly headersFile?: string | undefined;
  readonly events: readonly ('push' | 'pull' | 'mount' | 'delete')[];
  /** Which repositories it is told about. */
  readonly repositories: string;
  readonly format: NotificationFormat;
  /** How long it may take to answer, in milliseconds. */
  readonly timeout: number;
}

/** What became of the messages since the start. */
export interface EndpointFigures {
  delivered: number;
  /** Attempts that failed. */
  failed: number;
  /** Messages that were given up. */
  dropped: number;
}

/** The first pause after a failure, and the longest; each is twice the one before. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5 * 60_000;

/** Messages that are kept for a receiver that does not take them. */
const MOST_WAITING = 10_000;

/** Messages are given up in masses or not at all; the log says so now and then. */
const SAY_EVERY_MS = 60_000;

/** A receiver at work. */
export class Endpoint {
  readonly config: EndpointConfig;
  readonly figures: EndpointFigures;
  readonly #logger: Logger;
  readonly #spool: Spool;
  readonly #stopping = new AbortController();
  /** Ends the wait for a message. */
  #wake: () => void = () => undefined;
  #request: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();

  private constructor(config: EndpointConfig, logger: Logger, spool: Spool, figures: EndpointFigures) {
    this.config = config;
    this.#logger = logger;
    this.#spool = spool;
    this.figures = figures;
  }

  /**
   * Opens the spool of a receiver and begins to deliver what is in it.
   *
   * @param folder - of the spool
   * @throws DepotError as {@link readHeadersFile}
   */
  static async open(config: EndpointConfig, folder: string, logger: Logger): Promise<Endpoint> {
    if (config.headersFile !== undefined) await readHeadersFile(config.headersFile);
    const figures: EndpointFigures = { delivered: 0, failed: 0, dropped: 0 };
    const onDropped = sayingDropped(config.name, figures, logger);
    const spool = await Spool.open(folder, { most: MOST_WAITING, onDropped });
    const endpoint = new Endpoint(config, logger, spool, figures);
    endpoint.#running = endpoint.#run();
    return endpoint;
  }

  /** How many messages are waiting. */
  get waiting(): number {
    return this.#spool.size;
  }

  /** Takes a message; resolves when it is on the disk, or was given up. */
  async add(message: NotificationMessage): Promise<void> {
    await this.#spool.add(message);
    this.#wake();
  }

  /** Ends the delivery; what was not delivered stays on the disk. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#request?.abort();
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#stopping.signal.aborted) {
      const waiting = new Promise<void>((wake) => {
        this.#wake = wake;
      });
      const next = await this.#spool.oldest();
      if (next === undefined) await waiting;
      else if (await this.#deliver(next.message)) {
        await this.#spool.remove(next.number);
        pauseMs = FIRST_PAUSE_MS;
      } else {
        await this.#pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    }
  }

  /** @returns whether the receiver has it */
  async #deliver(message: NotificationMessage): Promise<boolean> {
    const failure = await this.#post(message).catch(reasonOf);
    if (failure === undefined) {
      this.figures.delivered += 1;
      return true;
    }
    if (this.#stopping.signal.aborted) return false;
    this.figures.failed += 1;
    const { name } = this.config;
    this.#logger.warn(
      { endpoint: name, reason: failure },
      'a notification was not taken and will be sent again',
    );
    return false;
  }

  /** @returns why the receiver did not take it; `undefined` if it did */
  async #post({ contentType, body }: NotificationMessage): Promise<string | undefined> {
    const { url, headersFile, timeout } = this.config;
    const headers = headersFile === undefined ? {} : await readHeadersFile(headersFile);
    const request = new AbortController();
    this.#request = request;
    if (this.#stopping.signal.aborted) request.abort();
    const limit = setTimeout(
      () => request.abort(new DepotError('INTERRUPTED', 'no answer in time')),
      timeout,
    );
    try {
      const answer = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers: { 'User-Agent': 'bootdepot', ...headers, 'Content-Type': contentType },
        body,
        signal: request.signal,
      });
      await answer.body?.cancel();
      return answer.ok ? undefined : `it answered ${answer.status}`;
    } finally {
      clearTimeout(limit);
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { ref: false, signal: this.#stopping.signal }).catch(() => undefined);
  }
}

/** In words that hold no address and no header. */
function reasonOf(error: unknown): string {
  if (error instanceof DepotError) return error.code === 'INTERRUPTED' ? error.message : error.code;
  const cause = error instanceof Error ? error.cause : undefined;
  return systemCode(cause) ?? 'the request failed';
}

function sayingDropped(endpoint: string, figures: EndpointFigures, logger: Logger): (why: string) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  return (reason) => {
    figures.dropped += 1;
    if (performance.now() - saidAt < SAY_EVERY_MS) return;
    saidAt = performance.now();
    const { dropped } = figures;
    logger.error({ endpoint, reason, dropped }, 'a notification was given up');
  };
}
