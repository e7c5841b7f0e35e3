/** Linux `sendfile(2)` through koffi: file bytes go from the page cache to the socket without passing here. */
import { constants } from 'node:os';

/** What one call achieved. */
export type SendfileResult =
  /** This many bytes left; fewer than asked for means that the socket is full, 0 that the file ends here. */
  | number
  /** The socket is full and took nothing. */
  | 'full'
  /** This file or this system cannot be sent from this way. */
  | 'unsupported'
  /** The connection is gone or the file cannot be read. */
  | 'failed';

/** One synchronous call: sends up to `count` bytes from `position` of the file. */
export type Sendfile = (socket: number, file: number, position: number, count: number) => SendfileResult;

const FULL = new Set([constants.errno.EAGAIN, constants.errno.EINTR]);
const UNSUPPORTED = new Set([constants.errno.EINVAL, constants.errno.ENOSYS, constants.errno.EOVERFLOW]);

/**
 * Binds the system's `sendfile`. koffi is an optional package: without it, or on a system that is not Linux, there is
 * no such call and files go out through pooled reads.
 *
 * @returns the call, or `undefined` where there is none
 */
export async function loadSendfile(): Promise<Sendfile | undefined> {
  if (process.platform !== 'linux') return undefined;
  try {
    const { default: koffi } = await import('koffi');
    // koffi knows no ssize_t; `null` is this process, which has the C library loaded, glibc or musl.
    const call = koffi.load(null).func('int64_t sendfile64(int, int, void *, size_t)');
    return bind(call, () => koffi.errno());
  } catch {
    return undefined;
  }
}

function bind(call: (...values: unknown[]) => unknown, errno: () => number): Sendfile {
  const offset = new BigInt64Array(1);
  return (socket, file, position, count) => {
    offset[0] = BigInt(position);
    const sent = Number(call(socket, file, offset, count));
    if (sent >= 0) return sent;
    const error = errno();
    if (FULL.has(error)) return 'full';
    return UNSUPPORTED.has(error) ? 'unsupported' : 'failed';
  };
}

/** The descriptor of a plain TCP or Unix socket that node:net drives; `undefined` for TLS and closed sockets. */
export function plainDescriptor(socket: object): number | undefined {
  if ('encrypted' in socket || !('_handle' in socket)) return undefined;
  const handle = socket._handle;
  if (typeof handle !== 'object' || handle === null || !('fd' in handle)) return undefined;
  return typeof handle.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}
