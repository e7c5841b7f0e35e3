/** All listeners of a depot together: opened or refused as one, their certificate followed, closed as one. */
import type { Server } from 'node:http';
import { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { types } from 'node:util';
import { type Config, DepotError, type Listener, type Logger } from '../index.js';
import type { Front } from './front.js';
import { createHttpServer } from './http-server.js';
import { listen, stopListening } from './listen.js';
import type { InheritedSocket } from './socket-activation.js';
import { followKeyPair, type KeyPair, type KeyPairFiles, readKeyPair } from './tls.js';

/** Somewhere to listen. */
export type Place = Listener | InheritedSocket;

/** Listeners that are open. */
export interface Listeners {
  /** As URLs, in the order of the places. */
  readonly urls: readonly string[];
  /** Takes no more connections; those that are open are not touched. */
  close(): void;
  /** Closes what is left of TLS connections: after all requests have ended, those that never got to one. */
  cutHandshakes(): void;
}

/** What listeners are made of. */
export interface ListenersOptions {
  readonly config: Config;
  readonly front: Front;
  readonly logger: Logger;
  /** How often the certificate files are looked at. */
  readonly lookEveryMs: number;
}

/**
 * Opens a listener at each place.
 *
 * @throws DepotError `ADDRESS_UNAVAILABLE`, `CERTIFICATE_INVALID`, `CONFIG_INVALID` (TLS without a certificate);
 *   nothing listens then
 */
export async function openListeners(places: readonly Place[], options: ListenersOptions): Promise<Listeners> {
  const files = tlsFiles(places, options.config);
  const keyPair = files && (await readKeyPair(files));
  const raw = new Set<Socket>();
  const servers: Server[] = [];
  const urls: string[] = [];
  const close = () => {
    for (const server of servers) stopListening(server);
  };
  try {
    for (const place of places) {
      const server = makeServer(place, keyPair, raw, options);
      servers.push(server);
      urls.push(await listen(server, place));
      server.on('error', (err) => options.logger.error({ err }, 'a connection could not be accepted'));
    }
  } catch (error) {
    close();
    throw error;
  }
  const unfollow = files && follow(files, servers, options);
  return {
    urls,
    close() {
      unfollow?.();
      close();
    },
    cutHandshakes() {
      for (const socket of raw) socket.destroy();
    },
  };
}

function tlsFiles(places: readonly Place[], { tls }: Config): KeyPairFiles | undefined {
  if (!places.some((place) => place.tls)) return undefined;
  if (tls.cert !== undefined && tls.key !== undefined) return { cert: tls.cert, key: tls.key };
  throw new DepotError(
    'CONFIG_INVALID',
    'a TLS socket from systemd needs a certificate: set tls.cert and tls.key',
  );
}

/** @param raw - where the sockets below TLS connections are kept while they are open */
function makeServer(
  place: Place,
  keyPair: KeyPair | undefined,
  raw: Set<Socket>,
  options: ListenersOptions,
): Server {
  const { config, front } = options;
  const server = createHttpServer({
    limits: config.limits,
    connections: front.connections,
    handle: front.handle,
    onUnreadable: front.onUnreadable,
    sawConnection: () => front.transfers.sawConnection(),
    keyPair: place.tls ? keyPair : undefined,
  });
  if (place.tls) {
    server.on('connection', (socket) => {
      raw.add(socket);
      socket.once('close', () => raw.delete(socket));
    });
  }
  return server;
}

/** New connections get the new certificate; a pair that does not fit is reported and the old one stays. */
function follow(files: KeyPairFiles, servers: readonly Server[], options: ListenersOptions): () => void {
  const { logger } = options;
  return followKeyPair(files, options.lookEveryMs, () => {
    readKeyPair(files).then(
      (keyPair) => {
        for (const server of servers) if (server instanceof TlsServer) server.setSecureContext(keyPair);
        logger.info('the TLS certificate was read again');
      },
      (error: unknown) => {
        const reason = types.isNativeError(error) ? error.message : String(error);
        logger.error({ reason }, 'the new TLS certificate cannot be used, the old one stays');
      },
    );
  });
}
