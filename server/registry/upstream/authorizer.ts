/** What is shown to an upstream so that it answers: nothing, a name and password, or a token that was fetched with them. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { fileError } from '../../errors.js';
import { type Challenge, parseChallenges } from './challenge.js';
import type { Dial, Reply } from './dial.js';
import { Expiring } from './expiring.js';
import { upstreamFailed } from './failures.js';
import { readBody } from './read-body.js';
import { askFollowing } from './redirects.js';

/** What an operator gave us for an upstream; without any of it we are anonymous. */
export interface Credentials {
  readonly username?: string | undefined;
  /** A file whose first line is the password. */
  readonly passwordFile?: string | undefined;
  /** The password itself, where it is in no file of its own. */
  readonly password?: string | undefined;
  /** A file whose first line is a bearer token, sent as it is. */
  readonly tokenFile?: string | undefined;
}

/** Where the answer to a challenge comes from. */
export interface AuthorizerOptions {
  /** The upstream's name, for messages. */
  readonly upstream: string;
  readonly dial: Dial;
  readonly credentials: Credentials;
}

/** Docker registry token authentication: a token without a word about its life lives a minute. */
const TOKEN_LIFE_S = 60;
/** A token is not used in its last moments: it has to arrive, too. */
const TOKEN_MARGIN_MS = 2_000;
const FOREVER_MS = 24 * 60 * 60 * 1000;
const MAX_TOKEN_BYTES = 256 * 1024;

const TOKEN = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().positive().nullish(),
});

/** Finds the value of `Authorization` for one address, and remembers it by what it is good for. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #values = new Expiring<string>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** @param scope - such as `repository:coreos/flannel:pull` */
  known(scope: string): string | undefined {
    return this.#values.get(scope);
  }

  /**
   * Answers the challenge of a 401 that the upstream itself gave.
   *
   * @param url - what was asked
   * @returns `undefined` if there is no answer
   * @throws DepotError `UPSTREAM_FAILED`; whatever the connection throws
   */
  async answer(reply: Reply, url: URL, scope: string, signal?: AbortSignal): Promise<string | undefined> {
    this.#values.delete(scope);
    const challenges = parseChallenges(reply.headers['www-authenticate'] ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return this.#bearer(bearer, url, scope, signal);
    const basic = challenges.some(({ scheme }) => scheme === 'basic') ? await this.#basic() : undefined;
    if (basic !== undefined) this.#values.set(scope, basic, FOREVER_MS);
    return basic;
  }

  async #bearer(challenge: Challenge, url: URL, scope: string, signal?: AbortSignal): Promise<string> {
    const { upstream, credentials } = this.#options;
    const { tokenFile } = credentials;
    if (tokenFile === undefined) return this.#fetch(challenge, url, scope, signal);
    const value = `Bearer ${await readSecret(tokenFile, upstream)}`;
    this.#values.set(scope, value, FOREVER_MS);
    return value;
  }

  async #fetch({ parameters }: Challenge, url: URL, scope: string, signal?: AbortSignal): Promise<string> {
    const { upstream, dial } = this.#options;
    const realm = realmOf(parameters.get('realm'), url, upstream);
    const service = parameters.get('service');
    if (service !== undefined) realm.searchParams.set('service', service);
    realm.searchParams.set('scope', parameters.get('scope') ?? scope);
    const authorization = await this.#basic();
    const headers = authorization === undefined ? {} : { authorization };
    const request = { method: 'GET', headers, signal, upstream, verified: false } as const;
    const { reply } = await askFollowing(dial, realm, request);
    if (reply.status !== 200) {
      reply.drop();
      throw upstreamFailed(
        upstream,
        `gives no token for ${scope}: its token server answered ${reply.status}`,
      );
    }
    const { token, lifeMs } = parseToken(await readBody(reply.body, MAX_TOKEN_BYTES), upstream);
    const value = `Bearer ${token}`;
    this.#values.set(scope, value, lifeMs - Math.min(TOKEN_MARGIN_MS, lifeMs / 2));
    return value;
  }

  async #basic(): Promise<string | undefined> {
    const { upstream, credentials } = this.#options;
    const { username, passwordFile } = credentials;
    const password = credentials.password ?? (passwordFile && (await readSecret(passwordFile, upstream)));
    if (username === undefined || password === undefined) return undefined;
    const pair = Buffer.from(`${username}:${password}`);
    return `Basic ${pair.toString('base64')}`;
  }
}

/** The upstream names its token server, which may be anywhere, but not less safe than the upstream itself. */
function realmOf(text: string | undefined, asked: URL, upstream: string): URL {
  const realm = text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
  if (realm === undefined || !/^https?:$/.test(realm.protocol)) {
    throw upstreamFailed(upstream, 'names no token server');
  }
  if (realm.protocol === 'http:' && asked.protocol === 'https:') {
    throw upstreamFailed(upstream, 'names a token server without TLS');
  }
  return realm;
}

function parseToken(body: Buffer | undefined, upstream: string): { token: string; lifeMs: number } {
  let raw: unknown;
  try {
    raw = JSON.parse(String(body));
  } catch {
    raw = undefined;
  }
  const parsed = TOKEN.safeParse(raw);
  const token = parsed.data?.token ?? parsed.data?.access_token;
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
    throw upstreamFailed(upstream, 'gives no token: its token server sent something else');
  }
  return { token, lifeMs: (parsed.data?.expires_in ?? TOKEN_LIFE_S) * 1000 };
}

async function readSecret(path: string, upstream: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).split(/\r?\n/, 1)[0] ?? '';
  } catch (error) {
    const cause = fileError(error, path);
    throw upstreamFailed(upstream, 'is not asked: its credentials cannot be read, the log says why', {
      cause,
    });
  }
}
