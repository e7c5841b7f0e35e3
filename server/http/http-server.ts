/** A node:http server with the limits of the configuration, plain or TLS. */
import {
  createServer as createPlainServer,
  type RequestListener,
  type Server,
  type ServerOptions,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Config } from '../index.js';
import type { Connections } from './connections.js';
import { type OnUnreadable, settleOddities } from './refusals.js';
import type { KeyPair } from './tls.js';

/** What a server is made of. */
export interface HttpServerOptions {
  readonly limits: Config['limits'];
  readonly connections: Connections;
  readonly handle: RequestListener;
  readonly onUnreadable: OnUnreadable;
  /** Called for each new connection, before anything is read from it. */
  readonly sawConnection: () => void;
  /** For TLS; without it the server is plain. */
  readonly keyPair?: KeyPair | undefined;
}

/** Connections beyond the limit that are let in to be refused with an answer; what comes on top is dropped. */
const SURPLUS_SHARE = 1.25;
const SURPLUS_LEAST = 64;

/** How often the parser looks for requests that take too long to arrive. */
const CHECK_EVERY_MS = 1_000;

/** After this long without a byte the kernel asks whether the peer is still there. */
const KEEPALIVE_PROBE_MS = 60_000;

/** Makes a server that does not listen yet. Nothing in it limits how long an answer may take. */
export function createHttpServer(options: HttpServerOptions): Server {
  const { limits, connections, keyPair } = options;
  const settings: ServerOptions = {
    // Refused with the others, by a route's own words and with a line in the log.
    requireHostHeader: false,
    maxHeaderSize: limits.headerSize,
    headersTimeout: limits.headerTime,
    // A push may take hours; who sends a body watches that it goes on coming.
    requestTimeout: 0,
    keepAliveTimeout: limits.idleTime,
    connectionsCheckingInterval: CHECK_EVERY_MS,
    keepAlive: true,
    keepAliveInitialDelay: KEEPALIVE_PROBE_MS,
  };
  const server =
    keyPair === undefined
      ? createPlainServer(settings, options.handle)
      : createTlsServer({ ...settings, ...keyPair, handshakeTimeout: limits.headerTime }, options.handle);
  server.maxConnections = Math.ceil(limits.connections * SURPLUS_SHARE) + SURPLUS_LEAST;
  server.on('connection', options.sawConnection);
  server.on(keyPair === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
    connections.opened(socket),
  );
  settleOddities(server, connections, options.onUnreadable);
  return server;
}
