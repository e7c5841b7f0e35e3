/**
 * File bodies by `sendfile(2)`, in bounded slices, fair between clients.
 *
 * One queue holds every transfer whose socket can take more. Each turn of the event loop serves slices from its head
 * until a small budget of time is used, then lets the loop look at new connections and requests: the budget is what a
 * small request waits at most. A transfer whose socket is full leaves the queue: Node has no bare "writable" event,
 * so the next few bytes are written through node:http, and their callback brings it back.
 */
import { readSync } from 'node:fs';
import { plainDescriptor, type Sendfile } from './sendfile.js';
import type { Transfer } from './transfer.js';

/** How the event loop is shared between files and everything else. */
export interface TurnOptions {
  /** Bytes of one `sendfile` call. */
  readonly sliceBytes?: number;
  /** Time for slices in one turn of the event loop. */
  readonly budgetMs?: number;
}

/** The queue. */
export interface KernelSends {
  /** Takes over a transfer from its first byte, headers included. */
  start(transfer: Transfer): void;
  /** See {@link Transfers.sawConnection}. */
  sawConnection(): void;
}

/** A body up to this size is read and written in one go, together with the headers. */
const WHOLE_BYTES = 64 * 1024;
/** What is written through node:http at the start and when a socket is full; all that a stalled client holds. */
const PIECE_BYTES = 4 * 1024;
/** Newcomers are accepted about one per turn, so turns without slices help them; but files must flow on. */
const MOST_SKIPS = 64;

/**
 * Makes an empty queue.
 *
 * @param otherwise - takes over a transfer, wherever it stands, whose file cannot be sent this way
 */
export function createKernelSends(
  sendfile: Sendfile,
  otherwise: (transfer: Transfer) => void,
  { sliceBytes = 256 * 1024, budgetMs = 1 }: TurnOptions = {},
): KernelSends {
  const queue: Transfer[] = [];
  let scheduled = false;
  let newcomer = false;
  let skips = 0;

  function enqueue(transfer: Transfer): void {
    queue.push(transfer);
    schedule();
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(turn);
  }

  function turn(): void {
    scheduled = false;
    if (newcomer && skips < MOST_SKIPS) {
      skips += 1;
    } else {
      skips = 0;
      serve(performance.now() + budgetMs);
    }
    newcomer = false;
    if (queue.length > 0) schedule();
  }

  function serve(deadline: number): void {
    do {
      const transfer = queue.shift();
      if (transfer === undefined) return;
      step(transfer);
    } while (performance.now() < deadline);
  }

  /** Sends the next slice or part of one transfer, and puts it where it belongs then. */
  function step(transfer: Transfer): void {
    if (transfer.ended) return;
    if (transfer.remaining > 0) {
      slice(transfer);
      return;
    }
    const part = transfer.next();
    if (part === undefined) transfer.complete();
    else if (part !== 'piece') transfer.write(part, () => enqueue(transfer));
    else if (isSmallAndWhole(transfer)) writeWhole(transfer);
    else step(transfer);
  }

  function slice(transfer: Transfer): void {
    const socket = readyDescriptor(transfer);
    if (socket === undefined) {
      writeThrough(transfer);
      return;
    }
    const count = Math.min(sliceBytes, transfer.remaining);
    const sent = sendfile(socket, transfer.file.fd, transfer.position, count);
    if (typeof sent === 'number') afterSlice(transfer, sent, count);
    else if (sent === 'full') writeThrough(transfer);
    else if (sent === 'unsupported') otherwise(transfer);
    else transfer.cut();
  }

  function afterSlice(transfer: Transfer, sent: number, asked: number): void {
    if (sent === 0) {
      transfer.cut();
      return;
    }
    transfer.advance(sent);
    transfer.count(sent);
    if (sent < asked) writeThrough(transfer);
    else if (transfer.remaining === 0) step(transfer);
    else enqueue(transfer);
  }

  /** Writes the next few bytes through node:http; their callback says that the socket has room again. */
  function writeThrough(transfer: Transfer): void {
    const bytes = readNow(transfer, Math.min(PIECE_BYTES, transfer.remaining));
    if (bytes !== undefined) transfer.write(bytes, () => enqueue(transfer));
  }

  return {
    start: step,
    sawConnection() {
      newcomer = true;
    },
  };
}

/** Whether the headers are still to be sent and the current piece is the whole body and small. */
function isSmallAndWhole(transfer: Transfer): boolean {
  return !transfer.headersLeft && transfer.onLastPart && transfer.remaining <= WHOLE_BYTES;
}

function writeWhole(transfer: Transfer): void {
  const bytes = readNow(transfer, transfer.remaining);
  if (bytes !== undefined) transfer.completeWith(bytes);
}

/**
 * The socket's descriptor, once raw bytes may go to it: the headers have left, nothing waits in user memory, and this
 * response owns the connection. Without the last test the bytes of a pipelined answer would overtake the headers that
 * node:http still holds back.
 */
function readyDescriptor(transfer: Transfer): number | undefined {
  const { res, socket } = transfer;
  if (!transfer.headersLeft || res.socket !== socket || res.writableLength > 0) return undefined;
  return plainDescriptor(socket);
}

/** Reads bytes of the current piece, a few, from the page cache. Cuts the transfer if they are not there any more. */
function readNow(transfer: Transfer, length: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafeSlow(length);
  try {
    if (readSync(transfer.file.fd, bytes, 0, length, transfer.position) === length) {
      transfer.advance(length);
      return bytes;
    }
  } catch {
    // An unreadable file ends as one that became shorter.
  }
  transfer.cut();
  return undefined;
}
