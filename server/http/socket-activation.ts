/** Sockets that systemd opened for us: sd_listen_fds(3). */
import { DepotError } from '../index.js';

/** One inherited socket, already bound. */
export interface InheritedSocket {
  readonly fd: number;
  /** `FileDescriptorName=` of the socket unit; by default the unit's own name. */
  readonly name: string;
  /** Whether TLS is spoken on it: its name is `https`, or begins with `https-` or `https.`. */
  readonly tls: boolean;
}

const FIRST_FD = 3;

/**
 * The sockets that were passed to this process, none where the variables speak of another one.
 *
 * @throws DepotError `CONFIG_INVALID`: a count that is no count
 */
export function inheritedSockets(env: Readonly<NodeJS.ProcessEnv>, pid: number): InheritedSocket[] {
  if (env.LISTEN_PID !== String(pid) || env.LISTEN_FDS === undefined) return [];
  if (!/^\d{1,4}$/.test(env.LISTEN_FDS)) {
    throw new DepotError('CONFIG_INVALID', `LISTEN_FDS: expected a number of sockets, got ${env.LISTEN_FDS}`);
  }
  const names = env.LISTEN_FDNAMES?.split(':') ?? [];
  return Array.from({ length: Number(env.LISTEN_FDS) }, (_, index) => {
    const name = names[index] ?? '';
    return { fd: FIRST_FD + index, name, tls: /^https(?:$|[-.])/.test(name) };
  });
}
