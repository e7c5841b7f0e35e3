/** Opening listeners: TCP addresses, socket files, and sockets that systemd opened. */
import { lstat, rm, stat } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect, type ListenOptions, Server as NetServer } from 'node:net';
import { dirname } from 'node:path';
import { DepotError, fileError, type Listener, systemCode } from '../index.js';
import type { InheritedSocket } from './socket-activation.js';

/** Room for the whole rack that switches on at once; the kernel's own limit (somaxconn) applies on top. */
const BACKLOG = 4096;

/**
 * Opens a listener.
 *
 * @returns its address as a URL, with the port that the system chose for port 0, or `unix:/path`
 * @throws DepotError `ADDRESS_UNAVAILABLE`: taken, not allowed, not an address of this machine
 */
export async function listen(server: Server, where: Listener | InheritedSocket): Promise<string> {
  if ('fd' in where) {
    await listenOn(server, { fd: where.fd }, `socket ${where.fd} (${where.name}) from systemd`);
  } else if ('path' in where.at) {
    await listenOnFile(server, where.at.path, where.text);
  } else {
    const { host, port } = where.at;
    await listenOn(server, host === undefined ? { port } : { host, port }, where.text);
  }
  return addressOf(server, where.tls);
}

async function listenOn(server: Server, target: ListenOptions | { fd: number }, what: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(target, BACKLOG, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw listenError(error, what);
  }
}

/** A socket file that nobody answers on was left by a process that was killed; it is taken over. */
async function listenOnFile(server: Server, path: string, what: string): Promise<void> {
  // Node says of a missing folder that access to it is denied.
  await stat(dirname(path)).catch((error: unknown) => {
    throw listenError(error, what);
  });
  // Whoever may reach 127.0.0.1 may reach this as well.
  const target = { path, readableAll: true, writableAll: true };
  try {
    await listenOn(server, target, what);
  } catch (error) {
    if (!(await isLeftOver(path))) throw error;
    await rm(path, { force: true }).catch((failure: unknown) => {
      throw fileError(failure, path);
    });
    await listenOn(server, target, what);
  }
}

async function isLeftOver(path: string): Promise<boolean> {
  const info = await lstat(path).catch(() => undefined);
  if (info === undefined || !info.isSocket()) return false;
  return new Promise((resolve) => {
    const socket = connect({ path });
    const settle = (leftOver: boolean) => {
      socket.destroy();
      resolve(leftOver);
    };
    socket.once('connect', () => settle(false));
    socket.once('error', (error) => settle(systemCode(error) === 'ECONNREFUSED'));
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is taken by another program: stop that one, or choose another with --listen',
  EACCES: 'may not be used by this user (ports below 1024 need CAP_NET_BIND_SERVICE or a systemd socket)',
  EADDRNOTAVAIL: 'is not an address of this machine',
  EAFNOSUPPORT: 'is of a kind that this machine does not have',
  ENOTFOUND: 'names a host that cannot be found',
  EAI_AGAIN: 'names a host that cannot be found now',
  ENOENT: 'lies in a folder that does not exist',
  EINVAL: 'is not a stream socket',
  ENOTSOCK: 'is not a socket',
};

function listenError(error: unknown, what: string): DepotError {
  const system = systemCode(error) ?? '';
  const reason = REASONS[system] ?? `cannot be listened on (${system})`;
  return new DepotError(
    'ADDRESS_UNAVAILABLE',
    `${what} ${reason}`,
    { address: what, system },
    { cause: error },
  );
}

function addressOf(server: Server, tls: boolean): string {
  const address = server.address();
  if (address === null) return 'closed';
  if (typeof address === 'string') return `unix:${address}`;
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `${tls ? 'https' : 'http'}://${host}:${address.port}`;
}

/**
 * Takes no more connections; those that are open go on. Not `server.close()` of node:http, which first destroys every
 * connection whose answer has ended, also when the last bytes of it are still in the process.
 */
export function stopListening(server: Server): void {
  NetServer.prototype.close.call(server);
}
