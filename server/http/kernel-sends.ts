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
/** Pieces that are kept for later use. */
const SPARE_PIECES = 256;
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
  const pieces: Buffer[] = [];
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

  /** Serves the first in the queue until its socket is full, then the next; whom the deadline meets goes to the end. */
  function serve(deadline: number): void {
    let transfer = queue.shift();
    while (transfer !== undefined) {
      const takesMore = step(transfer);
      if (performance.now() >= deadline) {
        if (takesMore) queue.push(transfer);
        return;
      }
      if (!takesMore) transfer = queue.shift();
    }
  }

  /** Sends the next slice or part of one transfer; true if it can take more at once. */
  function step(transfer: Transfer): boolean {
    if (transfer.ended) return false;
    if (transfer.remaining > 0) return slice(transfer);
    const part = transfer.next();
    if (part === 'piece') {
      if (!isSmallAndWhole(transfer)) return true;
      writeWhole(transfer);
    } else if (part === undefined) {
      transfer.complete();
    } else {
      transfer.write(part, () => enqueue(transfer));
    }
    return false;
  }

  function slice(transfer: Transfer): boolean {
    const socket = readyDescriptor(transfer);
    if (socket === undefined) {
      writeThrough(transfer);
      return false;
    }
    const count = Math.min(sliceBytes, transfer.remaining);
    const sent = sendfile(socket, transfer.file.fd, transfer.position, count);
    if (typeof sent === 'number' && sent > 0) return afterSlice(transfer, sent, count);
    if (sent === 'full') writeThrough(transfer);
    else if (sent === 'unsupported') otherwise(transfer);
    else transfer.cut();
    return false;
  }

  function afterSlice(transfer: Transfer, sent: number, asked: number): boolean {
    transfer.advance(sent);
    transfer.count(sent);
    if (sent === asked) return true;
    writeThrough(transfer);
    return false;
  }

  /** Writes the next few bytes through node:http; their callback says that the socket has room again. */
  function writeThrough(transfer: Transfer): void {
    const piece = pieces.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
    const bytes = piece.subarray(0, transfer.remaining);
    if (!fill(bytes, transfer)) return;
    transfer.write(bytes, () => {
      if (pieces.length < SPARE_PIECES) pieces.push(piece);
      enqueue(transfer);
    });
  }

  return {
    start(transfer) {
      if (step(transfer)) enqueue(transfer);
    },
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
  const bytes = Buffer.allocUnsafeSlow(transfer.remaining);
  if (fill(bytes, transfer)) transfer.completeWith(bytes);
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

/** Fills a small buffer from the current piece, out of the page cache. Cuts the transfer if so much is not there any more. */
function fill(bytes: Buffer, transfer: Transfer): boolean {
  try {
    if (readSync(transfer.file.fd, bytes, 0, bytes.length, transfer.position) === bytes.length) {
      transfer.advance(bytes.length);
      return true;
    }
  } catch {
    // An unreadable file ends as one that became shorter.
  }
  transfer.cut();
  return false;
}
