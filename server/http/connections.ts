/** The open connections of a server: how many, which are idle, which are too many. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A connection that is over the limit is refused at its first request, which has this long to come. */
const SURPLUS_MS = 5_000;

/** One connection. */
export interface Connection {
  readonly socket: Socket;
  /** Requests that were read and whose answers have not left yet; more than one where a client pipelines. */
  pending: number;
  /** Came when the server had as many as it may; its first request is to be refused. */
  readonly surplus: boolean;
}

/** The book of connections that all listeners of a server share. */
export interface Connections {
  readonly count: number;
  /** Enters a new connection; it leaves by itself when it closes. */
  opened(socket: Socket): void;
  /** The connection of a request; a request more is pending on it until {@link answered}. */
  asked(socket: Socket): Connection;
  /** One answer has left, or never will. */
  answered(connection: Connection): void;
  /** Whether an answer is under way on a connection. */
  isPending(socket: Duplex): boolean;
  /** From now on connections close as soon as nothing is pending on them; those that are idle close at once. */
  drain(): void;
  /** Closes what is left, in the middle of answers too; returns how many those were. */
  cut(): number;
  /** Settles when none is left. */
  whenEmpty(): Promise<void>;
}

/** @param limit - how many connections are welcome at a time */
export function createConnections(limit: number): Connections {
  const book = new Map<Duplex, Connection>();
  const waiting: (() => void)[] = [];
  let draining = false;

  const enter = (socket: Socket): Connection => {
    const connection: Connection = { socket, pending: 0, surplus: book.size >= limit };
    book.set(socket, connection);
    if (connection.surplus) socket.setTimeout(SURPLUS_MS, () => socket.destroy());
    socket.once('close', () => {
      book.delete(socket);
      if (book.size === 0) for (const settle of waiting.splice(0)) settle();
    });
    if (draining) socket.destroy();
    return connection;
  };
  const closeIfIdle = ({ socket, pending }: Connection) => {
    if (pending === 0) socket.destroySoon();
  };
  return {
    get count() {
      return book.size;
    },
    opened: (socket) => void enter(socket),
    asked(socket) {
      const connection = book.get(socket) ?? enter(socket);
      connection.pending += 1;
      return connection;
    },
    answered(connection) {
      connection.pending -= 1;
      if (draining) closeIfIdle(connection);
    },
    isPending: (socket) => (book.get(socket)?.pending ?? 0) > 0,
    drain() {
      draining = true;
      for (const connection of book.values()) closeIfIdle(connection);
    },
    cut() {
      const left = [...book.values()];
      for (const { socket } of left) socket.destroy();
      return left.filter(({ pending }) => pending > 0).length;
    },
    whenEmpty: () =>
      book.size === 0 ? Promise.resolve() : new Promise((resolve) => void waiting.push(resolve)),
  };
}
