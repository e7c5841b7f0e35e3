/** One address of an upstream: asked with what it wants to see, asked again where that helps, left alone where not. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DepotError } from '../../errors.js';
import { Authorizer, type Credentials } from './authorizer.js';
import { Breaker } from './breaker.js';
import type { Dial, DialRequest, Reply } from './dial.js';
import { connectionFailure, upstreamFailed } from './failures.js';
import { readBody } from './read-body.js';
import { askFollowing, type FollowedReply } from './redirects.js';
import { retryAfterMs } from './retry-after.js';
import type { Timing } from './timing.js';

/** What is asked of a registry. */
export interface Question extends Pick<DialRequest, 'method' | 'body'> {
  /** Repository, as the upstream knows it. */
  readonly name: string;
  /** Behind the name: `manifests/latest`, `blobs/sha256:…`. */
  readonly what: string;
  /** In place of the address that name and `what` make: where the registry said that it goes on. */
  readonly url?: URL | undefined;
  /** What is to be done, in the words of Docker's tokens; `pull` where nobody says. */
  readonly actions?: 'pull' | 'pull,push' | 'delete' | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the bytes are checked against a digest. */
  readonly verified: boolean;
  /** Statuses beside 404 by which a registry says that it has no such thing. */
  readonly absentAt?: readonly number[] | undefined;
  /** How often it may be asked in all. */
  readonly tries: number;
  readonly signal?: AbortSignal | undefined;
}

/** An address and who may be shown to it. */
export interface EndpointOptions {
  /** The upstream's name, for messages. */
  readonly upstream: string;
  /** `http:` or `https:`; a path with `/v2` in it is the whole root, to any other one `/v2` is added. */
  readonly url: URL;
  readonly credentials: Credentials;
  readonly dial: Dial;
  readonly timing: Timing;
}

/** How one try ended. */
type Outcome =
  | { readonly kind: 'answer'; readonly reply: Reply }
  | { readonly kind: 'missing' }
  | {
      readonly kind: 'failed';
      readonly error: DepotError;
      /** Whether the address itself is at fault, and not what was asked. */
      readonly ill: boolean;
      /** How long to wait before the next try; `undefined`: there is no use in one. */
      readonly againInMs?: number | undefined;
    };

/** Longer than that no `Retry-After` is believed. */
const LONGEST_BLOCK_MS = 10 * 60 * 1000;

/** One registry at one address. */
export class Endpoint {
  readonly #options: EndpointOptions;
  readonly #breaker: Breaker;
  readonly #authorizer: Authorizer;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#breaker = new Breaker(options.timing.rest);
    this.#authorizer = new Authorizer(options);
  }

  /**
   * Asks.
   *
   * @returns an answer of a status from 200 to 299; `undefined`: the registry has not what was asked for
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`
   */
  async ask(question: Question): Promise<Reply | undefined> {
    const { upstream } = this.#options;
    const { reason } = this.#breaker;
    if (reason !== undefined) throw upstreamFailed(upstream, reason);
    for (let tries = 1; ; tries += 1) {
      const outcome = await this.#try(question, tries);
      if (outcome.kind !== 'failed') {
        this.#breaker.succeeded();
        return outcome.kind === 'answer' ? outcome.reply : undefined;
      }
      const { error, ill, againInMs } = outcome;
      if (againInMs === undefined || tries >= question.tries || question.signal?.aborted) {
        if (ill) this.#breaker.failed(String(error.facts.reason));
        throw error;
      }
      await sleep(againInMs, undefined, { ref: false });
    }
  }

  /** It sent what it should not have: it is left alone for a while, so that another address gets its turn. */
  distrust(reason: string): void {
    this.#breaker.block(reason, this.#options.timing.rest);
  }

  async #try(question: Question, tries: number): Promise<Outcome> {
    try {
      return await this.#judge(await this.#send(question), tries, question);
    } catch (thrown) {
      const { error, ill, again } = connectionFailure(this.#options.upstream, thrown);
      return { kind: 'failed', error, ill, againInMs: again ? this.#backoff(tries) : undefined };
    }
  }

  async #send(question: Question): Promise<FollowedReply> {
    const { upstream, dial, url } = this.#options;
    const { root, prefix } = apiOf(url);
    const name = `${prefix}${question.name}`;
    const target = question.url ?? new URL(`${root}/${name}/${question.what}`, url);
    const scope = `repository:${name}:${question.actions ?? 'pull'}`;
    const isOurs = target.origin === url.origin;
    const send = (authorization: string | undefined) =>
      askFollowing(dial, target, {
        ...question,
        upstream,
        headers: { ...question.headers, ...(authorization !== undefined && isOurs && { authorization }) },
      });
    const first = await send(this.#authorizer.known(scope));
    if (first.reply.status !== 401 || !isOurs || first.url.origin !== target.origin) return first;
    first.reply.drop();
    const authorization = await this.#authorizer.answer(first.reply, target, scope, question.signal);
    return authorization === undefined ? first : send(authorization);
  }

  async #judge({ reply }: FollowedReply, tries: number, { method, absentAt }: Question): Promise<Outcome> {
    const { upstream, timing } = this.#options;
    const { status, headers } = reply;
    if (status >= 200 && status <= 299) return { kind: 'answer', reply };
    const code = status === 400 || status === 403 ? await toldCode(reply, method) : '';
    reply.drop();
    if (status === 404 || absentAt?.includes(status)) return { kind: 'missing' };
    if (status === 429) {
      const wait = retryAfterMs(headers['retry-after']) ?? this.#backoff(tries);
      const error = upstreamFailed(upstream, 'answers 429, too many requests');
      if (wait <= timing.patience) return { kind: 'failed', error, ill: false, againInMs: wait };
      this.#breaker.block('answered 429, too many requests', Math.min(wait, LONGEST_BLOCK_MS));
      return { kind: 'failed', error, ill: false };
    }
    if (status >= 500) {
      const error = upstreamFailed(upstream, `answers ${status}`);
      return { kind: 'failed', error, ill: true, againInMs: this.#backoff(tries) };
    }
    const refused = status === 401 || status === 403;
    const reason = refused
      ? `refuses us (${status}${code}): see its credentials`
      : `answers ${status}${code}`;
    return { kind: 'failed', error: upstreamFailed(upstream, reason), ill: false };
  }

  /** Twice as long each time, and not for all at the same instant. */
  #backoff(tries: number): number {
    return this.#options.timing.backoff * 2 ** (tries - 1) * (0.5 + Math.random());
  }
}

const MAX_ERROR_BYTES = 8 * 1024;

/** Why something that was sent was not taken, as a registry says it: `, MANIFEST_BLOB_UNKNOWN`; empty if it does not. */
async function toldCode({ body }: Reply, method: Question['method']): Promise<string> {
  if (method === 'GET' || method === 'HEAD') return '';
  const bytes = await readBody(body, MAX_ERROR_BYTES).catch(() => undefined);
  const [, code] = /"code"\s*:\s*"([A-Z_]{1,40})"/.exec(bytes?.toString('latin1') ?? '') ?? [];
  return code === undefined ? '' : `, ${code}`;
}

/** Where the interface begins, and what stands before every repository's name there. */
function apiOf({ pathname }: URL): { readonly root: string; readonly prefix: string } {
  const [, before, behind] = /^(.*?)\/v2(?:\/(.*?))?\/?$/.exec(pathname) ?? [];
  if (before === undefined) return { root: `${pathname.replace(/\/+$/, '')}/v2`, prefix: '' };
  return { root: `${before}/v2`, prefix: behind ? `${behind}/` : '' };
}
