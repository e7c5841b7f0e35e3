/** Tells the service manager how we are: sd_notify(3), one datagram to the socket in `NOTIFY_SOCKET`. */
import { spawn } from 'node:child_process';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0x80002;
const MSG_NOSIGNAL = 0x4000;

/** The path in `struct sockaddr_un` on Linux. */
const MAX_PATH = 108;

/** Sends one state (`READY=1`, `STOPPING=1`); does nothing where no service manager asked for it. */
export type Notify = (state: string) => Promise<void>;

/** @param env - where `NOTIFY_SOCKET` may stand: a path, or `@name` for an abstract socket */
export function createNotify(env: Readonly<NodeJS.ProcessEnv>): Notify {
  const address = env.NOTIFY_SOCKET;
  if (address === undefined || !/^[/@]/.test(address)) return () => Promise.resolve();
  return async (state) => {
    if (!(await sendDatagram(address, state))) await spawnNotify(env, state);
  };
}

/** Node has no datagrams on Unix sockets; koffi, where it is installed, asks the C library. */
async function sendDatagram(address: string, state: string): Promise<boolean> {
  const target = socketAddress(address);
  if (process.platform !== 'linux' || target === undefined) return false;
  try {
    const { default: koffi } = await import('koffi');
    const library = koffi.load(null);
    const fd = Number(library.func('int socket(int, int, int)')(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0));
    if (fd < 0) return false;
    const sendto = library.func('int64_t sendto(int, void *, size_t, int, void *, uint32_t)');
    const text = Buffer.from(state);
    const sent = Number(sendto(fd, text, text.length, MSG_NOSIGNAL, target, target.length));
    library.func('int close(int)')(fd);
    return sent === text.length;
  } catch {
    return false;
  }
}

/** `struct sockaddr_un`: the family in the machine's byte order, then the path; an abstract name begins with NUL. */
function socketAddress(address: string): Buffer | undefined {
  const path = Buffer.from(address.startsWith('@') ? `\0${address.slice(1)}` : address);
  if (path.length >= MAX_PATH) return undefined;
  const family = Buffer.from(new Uint16Array([AF_UNIX]).buffer);
  return Buffer.concat([family, path]);
}

/** systemd's own program. It speaks from another process, so the unit needs `NotifyAccess=all` then. */
function spawnNotify(env: Readonly<NodeJS.ProcessEnv>, state: string): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn('systemd-notify', [`--pid=${process.pid}`, ...state.split('\n')], {
      env: { ...env },
      stdio: 'ignore',
    });
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
}
