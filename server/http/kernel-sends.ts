/**
 * File bodies by `sendfile(2)`, in bounded slices, fair between clients.
 *
 * One queue holds every transfer whose socket can take more. Each turn of the event loop serves slices from its head
 * until a small budget of time is used, then lets the loop look at new connections and requests: the budget is what a
 * small request waits at most. A transfer whose socket is full leaves the queue: Node has no bare "writable" event,
 * so the next few bytes are written through node:net, and their callback brings it back.
 */
import { readSync } from 'node:fs';
import { plainDescriptor, type Sendfile } from './sendfile.js';
import type { Transfer } from './transfer.js';

/** How the event loop is shared between files and everything else. */
export interface TurnOptions {
  /** The most bytes of one `sendfile` call; 1 MiB by default. */
  readonly sliceBytes?: number;
  /** Time for slices in one turn of the event loop; 1 ms by default. */
  readonly budgetMs?: number;
}

/** A body up to this size is read and written in one go, together with the headers. */
const WHOLE_BYTES = 64 * 1024;
/** Where a file must come from a disk, a slice of this size keeps the event loop for as short a time as is useful. */
const LEAST_SLICE_BYTES = 128 * 1024;
/** What is written through node:net at the start and when a socket is full; all that a stalled client holds. */
const PIECE_BYTES = 4 * 1024;
/** Pieces that are kept for later use. */
const SPARE_PIECES = 256;
/** Newcomers are accepted about one per turn, so turns without slices help them; but files must flow on. */
const MOST_SKIPS = 64;

/** The queue of all transfers of a process. */
export class KernelSends {
  readonly #sendfile: Sendfile;
  readonly #otherwise: (transfer: Transfer) => void;
  readonly #budgetMs: number;
  readonly #mostSliceBytes: number;
  readonly #queue: Transfer[] = [];
  readonly #sparePieces: Buffer[] = [];
  #sliceBytes: number;
  #scheduled = false;
  #newcomer = false;
  #skips = 0;

  /** @param otherwise - takes over a transfer, wherever it stands, whose file cannot be sent this way */
  constructor(sendfile: Sendfile, otherwise: (transfer: Transfer) => void, options: TurnOptions = {}) {
    const { sliceBytes = 1024 * 1024, budgetMs = 1 } = options;
    this.#sendfile = sendfile;
    this.#otherwise = otherwise;
    this.#budgetMs = budgetMs;
    this.#mostSliceBytes = sliceBytes;
    this.#sliceBytes = sliceBytes;
  }

  /** Takes over a transfer from its first byte, headers included. */
  start(transfer: Transfer): void {
    if (this.#step(transfer)) this.#enqueue(transfer);
  }

  /** A connection has come: see {@link Transfers.sawConnection}. */
  sawConnection(): void {
    this.#newcomer = true;
  }

  #enqueue(transfer: Transfer): void {
    this.#queue.push(transfer);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#newcomer && this.#skips < MOST_SKIPS) {
      this.#skips += 1;
    } else {
      this.#skips = 0;
      this.#serve();
    }
    this.#newcomer = false;
    if (this.#queue.length > 0) this.#schedule();
  }

  /** Serves the first in the queue until its socket is full, then the next; whom the deadline meets goes to the end. */
  #serve(): void {
    let now = performance.now();
    const deadline = now + this.#budgetMs;
    let transfer = this.#queue.shift();
    while (transfer !== undefined) {
      const takesMore = this.#step(transfer);
      const started = now;
      now = performance.now();
      this.#fitSlices(now - started);
      if (now >= deadline) {
        if (takesMore) this.#queue.push(transfer);
        return;
      }
      if (!takesMore) transfer = this.#queue.shift();
    }
  }

  /** A slice that takes longer than a whole turn comes from a disk, most likely: smaller ones let others in between. */
  #fitSlices(tookMs: number): void {
    this.#sliceBytes =
      tookMs > this.#budgetMs
        ? Math.max(this.#sliceBytes / 2, LEAST_SLICE_BYTES)
        : Math.min(this.#sliceBytes * 2, this.#mostSliceBytes);
  }

  /** Sends the next slice or part of one transfer; true if it can take more at once. */
  #step(transfer: Transfer): boolean {
    if (transfer.ended) return false;
    if (transfer.remaining > 0) return this.#slice(transfer);
    const part = transfer.next();
    if (part === 'piece') {
      if (!isSmallAndWhole(transfer)) return true;
      writeWhole(transfer);
    } else if (part === undefined) {
      transfer.complete();
    } else {
      transfer.write(part, () => this.#enqueue(transfer));
    }
    return false;
  }

  #slice(transfer: Transfer): boolean {
    const socket = readyDescriptor(transfer);
    if (socket === undefined) {
      this.#writeThrough(transfer);
      return false;
    }
    const count = Math.min(this.#sliceBytes, transfer.remaining);
    if (!transfer.mayLeave(count)) {
      transfer.cut();
      return false;
    }
    const sent = this.#sendfile(socket, transfer.file.fd, transfer.position, count);
    if (typeof sent === 'number' && sent > 0) return this.#afterSlice(transfer, sent, count);
    if (sent === 'full') this.#writeThrough(transfer);
    else if (sent === 'unsupported') this.#otherwise(transfer);
    else transfer.cut();
    return false;
  }

  #afterSlice(transfer: Transfer, sent: number, asked: number): boolean {
    transfer.advance(sent);
    transfer.count(sent);
    if (completeIfDone(transfer)) return false;
    if (sent === asked) return true;
    this.#writeThrough(transfer);
    return false;
  }

  /** Writes the next few bytes through node:net; their callback says that the socket has room again. */
  #writeThrough(transfer: Transfer): void {
    const piece = this.#sparePieces.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
    const bytes = piece.subarray(0, transfer.remaining);
    if (!fill(bytes, transfer)) return;
    transfer.write(bytes, () => {
      if (this.#sparePieces.length < SPARE_PIECES) this.#sparePieces.push(piece);
      if (!completeIfDone(transfer)) this.#enqueue(transfer);
    });
  }
}

/** Ends an answer with its last byte: whoever has it may ask again at once, and is not to wait for the queue. */
function completeIfDone(transfer: Transfer): boolean {
  if (transfer.remaining > 0 || !transfer.onLastPart) return false;
  transfer.complete();
  return true;
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
    const count = readSync(transfer.file.fd, bytes, 0, bytes.length, transfer.position);
    if (count === bytes.length && transfer.mayLeave(count)) {
      transfer.advance(bytes.length);
      return true;
    }
  } catch {
    // An unreadable file ends as one that became shorter.
  }
  transfer.cut();
  return false;
}
