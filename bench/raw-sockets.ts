/**
 * Bare non-blocking sockets for clients that must cost little: the system's own calls through koffi. Bytes are copied
 * out of the kernel as every real client does, or thrown away inside it (`MSG_TRUNC`), which leaves the server as the
 * only thing that is measured.
 */
import { constants } from 'node:os';
import koffi from 'koffi';

const AF_INET = 2;
const SOCK_STREAM_NONBLOCK = 1 | 0o4000;
const MSG_TRUNC = 0x20;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const MOST_EVENTS = 256;
/** struct epoll_event is packed on x86-64: 4 bytes of events, 8 of data. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const DATA_OFFSET = EVENT_BYTES - 8;

const libc = koffi.load(null);
const call = {
  socket: libc.func('int socket(int, int, int)'),
  connect: libc.func('int connect(int, void *, uint)'),
  send: libc.func('int64_t send(int, void *, size_t, int)'),
  recv: libc.func('int64_t recv(int, void *, size_t, int)'),
  close: libc.func('int close(int)'),
  epollCreate: libc.func('int epoll_create1(int)'),
  epollControl: libc.func('int epoll_ctl(int, int, int, void *)'),
  epollWait: libc.func('int epoll_wait(int, void *, int, int)'),
};

/** Starts a connection to a loopback port; requests may be sent once it is readable or writable, loopback is quick. */
export function openSocket(port: number): number {
  const descriptor = check('socket', call.socket(AF_INET, SOCK_STREAM_NONBLOCK, 0));
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  if (
    call.connect(descriptor, address, address.length) < 0 &&
    koffi.errno() !== constants.errno.EINPROGRESS
  ) {
    throw new Error(`connect: errno ${koffi.errno()}`);
  }
  return descriptor;
}

export function closeSocket(descriptor: number): void {
  call.close(descriptor);
}

/** Sends a short text whole. */
export function sendText(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  if (check('send', Number(call.send(descriptor, bytes, bytes.length, 0))) !== bytes.length) {
    throw new Error('a request did not fit in the socket');
  }
}

/**
 * Takes bytes from a socket.
 *
 * @param into - where they go
 * @param most - bytes, at most the buffer's length
 * @returns how many; 0 if there are none now
 * @throws when the connection has ended
 */
export function receive(descriptor: number, into: Buffer, most = into.length): number {
  return received(Number(call.recv(descriptor, into, most, 0)));
}

/** Throws bytes of a socket away inside the kernel; returns how many. */
export function discard(descriptor: number, most: number): number {
  return received(Number(call.recv(descriptor, null, most, MSG_TRUNC)));
}

function received(count: number): number {
  if (count > 0) return count;
  if (count === 0) throw new Error('the server closed the connection');
  if (koffi.errno() === constants.errno.EAGAIN) return 0;
  throw new Error(`recv: errno ${koffi.errno()}`);
}

/** Waits for many sockets at once; it is a descriptor itself, that another one can wait for. */
export class Poller {
  readonly descriptor = check('epoll_create1', call.epollCreate(0));
  readonly #events = Buffer.alloc(EVENT_BYTES * MOST_EVENTS);

  add(descriptor: number): void {
    const event = Buffer.alloc(EVENT_BYTES);
    event.writeUInt32LE(EPOLLIN, 0);
    event.writeUInt32LE(descriptor, DATA_OFFSET);
    check('epoll_ctl', call.epollControl(this.descriptor, EPOLL_CTL_ADD, descriptor, event));
  }

  remove(descriptor: number): void {
    check('epoll_ctl', call.epollControl(this.descriptor, EPOLL_CTL_DEL, descriptor, null));
  }

  /** The sockets that have something to read, after at most `timeoutMs`. */
  *wait(timeoutMs: number): Generator<number> {
    const count = call.epollWait(
      this.descriptor,
      this.#events,
      MOST_EVENTS,
      Math.max(0, Math.ceil(timeoutMs)),
    );
    for (let index = 0; index < count; index += 1) {
      yield this.#events.readUInt32LE(index * EVENT_BYTES + DATA_OFFSET);
    }
  }
}

function check(name: string, result: number): number {
  if (result < 0) throw new Error(`${name}: errno ${koffi.errno()}`);
  return result;
}
