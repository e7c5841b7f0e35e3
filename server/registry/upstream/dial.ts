/** Connections to one upstream and nothing else: its own certificates, the proxies of the environment, no redirects. */
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import type { Dispatcher } from 'undici';
import { fileError } from '../../errors.js';
import { upstreamFailed } from './failures.js';
import type { Timing } from './timing.js';

/** What is asked. */
export interface DialRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** What is sent; made anew each time it is sent. */
  readonly body?: (() => Uint8Array | Readable) | undefined;
  /** Ends the request, and the answer's body with it. */
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body has still to come; it must be read or dropped. */
export interface Reply {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
  /** Does without the body; a short one is read to its end, so that the connection can be used again. */
  drop(): void;
}

/** Sends one request. */
export interface Dial {
  /** @throws whatever the connection throws */
  ask(url: URL, request: DialRequest): Promise<Reply>;
  /** Breaks all connections off. */
  close(): Promise<void>;
}

/** How to connect. */
export interface DialOptions {
  /** The upstream's name, for messages. */
  readonly upstream: string;
  /** A PEM file of certificates to trust beside the usual ones. */
  readonly caFile?: string | undefined;
  /** Where `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` are. */
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly timing: Timing;
}

/** Bytes that are taken from a socket before somebody reads them. */
const AHEAD_BYTES = 1024 * 1024;

/** A body of more is cut off with its connection. */
const SHORT_BYTES = 64 * 1024;

/** Nothing is connected or loaded before the first request. */
export function createDial(options: DialOptions): Dial {
  let opened: Promise<Dispatcher> | undefined;
  return {
    async ask(url, { method, headers, body: sent, signal }) {
      opened ??= open(options);
      // A file of certificates that could not be read may be there the next time.
      opened.catch(() => {
        opened = undefined;
      });
      const dispatcher = await opened;
      const {
        statusCode,
        headers: fields,
        body,
      } = await dispatcher.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers: { 'user-agent': 'bootdepot', 'accept-encoding': 'identity', ...headers },
        body: sent?.() ?? null,
        signal: signal ?? null,
        headersTimeout: options.timing.headers,
        bodyTimeout: options.timing.silence,
        highWaterMark: AHEAD_BYTES,
      });
      const drop = () => void body.dump({ limit: SHORT_BYTES }).catch(() => undefined);
      return { status: statusCode, headers: fields, body, drop };
    },
    async close() {
      await (await opened?.catch(() => undefined))?.destroy();
    },
  };
}

async function open({ upstream, caFile, env, timing }: DialOptions): Promise<Dispatcher> {
  const { EnvHttpProxyAgent } = await import('undici');
  const connect = {
    timeout: timing.connect,
    ...(caFile !== undefined && { ca: await readAuthorities(caFile, upstream) }),
  };
  return new EnvHttpProxyAgent({
    httpProxy: env.http_proxy ?? env.HTTP_PROXY ?? '',
    httpsProxy: env.https_proxy ?? env.HTTPS_PROXY ?? '',
    noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
    proxyTunnel: false,
    connect,
    requestTls: connect,
    proxyTls: connect,
  });
}

async function readAuthorities(path: string, upstream: string): Promise<string[]> {
  try {
    return [...rootCertificates, await readFile(path, 'utf8')];
  } catch (error) {
    const cause = fileError(error, path);
    throw upstreamFailed(upstream, 'is not asked: its caFile cannot be read, the log says why', { cause });
  }
}
