/** One answer with a file body: where it stands, and how it ends. */
import { fstatSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FileVersion } from '../index.js';
import type { ReadableFile } from './descriptor-file.js';

/** A piece of a body: bytes as they are, or a piece of the open file. */
export type BodyPart = Uint8Array | { readonly start: number; readonly length: number };

/** What changes when a file is written to, and not when it gets another name or other rights. */
export type WrittenVersion = Pick<FileVersion, 'size' | 'mtimeMs'>;

/** An open file, and what its answer was described from. */
export interface DescribedFile {
  readonly file: ReadableFile;
  readonly version?: WrittenVersion | undefined;
}

/** Figures that all transfers of a process add to. */
export interface TransferTotals {
  /** Answers under way. */
  open: number;
  /** Body bytes handed to the kernel. */
  bytes: number;
}

/**
 * The state of one answer. It ends exactly once: in full, because the client left, or because the file became
 * shorter than promised; whichever comes first closes the file.
 */
export class Transfer {
  readonly res: ServerResponse;
  readonly socket: Socket;
  readonly file: ReadableFile;
  /** Where in the file the next byte of the current piece lies. */
  position = 0;
  /** Bytes of the current piece that are still to be sent; 0 between parts. */
  remaining = 0;
  ended = false;
  /** Whether the headers, and whatever was written with them, have gone to the kernel. */
  headersLeft = false;
  readonly #version: WrittenVersion | undefined;
  readonly #parts: readonly BodyPart[];
  readonly #totals: TransferTotals;
  #nextPart = 0;
  #afterWrite: (() => void) | undefined;

  /** @param parts - what the body consists of, in order; `Content-Length` must already say their sum */
  constructor(
    res: ServerResponse,
    { file, version }: DescribedFile,
    parts: readonly BodyPart[],
    totals: TransferTotals,
  ) {
    this.res = res;
    this.socket = res.req.socket;
    this.file = file;
    this.#version = version;
    this.#parts = parts;
    this.#totals = totals;
    totals.open += 1;
    // A long slow download is not idle, and the idle timer would not see bytes that the kernel sends by itself.
    // node:http sets the timer again when the response has ended.
    this.socket.setTimeout(0);
    watch(this.socket, this);
    if (this.socket.destroyed || res.writableEnded) this.cut();
  }

  /**
   * Moves to the next part: literal bytes are returned, a piece of the file is loaded into
   * {@link position} and {@link remaining}.
   *
   * @returns the bytes, `'piece'`, or `undefined` after the last part
   */
  next(): Uint8Array | 'piece' | undefined {
    const part = this.#parts[this.#nextPart];
    if (part === undefined) return undefined;
    this.#nextPart += 1;
    if (part instanceof Uint8Array) return part;
    this.position = part.start;
    this.remaining = part.length;
    return 'piece';
  }

  /** Whether nothing follows the current piece. */
  get onLastPart(): boolean {
    return this.#nextPart === this.#parts.length;
  }

  /**
   * Whether the next bytes of the current piece may leave: its last ones only if nobody has written to the file since it
   * was described, so that no client takes a mixture of old and new bytes for the whole.
   */
  mayLeave(bytes: number): boolean {
    if (bytes < this.remaining || this.#version === undefined) return true;
    const { size, mtimeMs } = fstatSync(this.file.fd);
    return size === this.#version.size && mtimeMs === this.#version.mtimeMs;
  }

  /** Notes that bytes of the current piece were read or sent. */
  advance(bytes: number): void {
    this.position += bytes;
    this.remaining -= bytes;
  }

  /** Notes body bytes that the kernel has taken. */
  count(bytes: number): void {
    this.#totals.bytes += bytes;
  }

  /**
   * Writes bytes: through node:http as long as headers, or answers before this one, may still wait there; then straight
   * to the socket, which costs less.
   *
   * @param done - called once, when the kernel has all of it or the transfer has ended: look at {@link ended}
   */
  write(bytes: Uint8Array, done: () => void): void {
    if (this.ended) {
      done();
      return;
    }
    this.#afterWrite = done;
    const way = this.headersLeft ? this.socket : this.res;
    way.write(bytes, (error) => {
      if (error) {
        this.cut();
      } else {
        this.headersLeft = true;
        this.count(bytes.length);
      }
      this.#release();
    });
  }

  /** All parts are sent: ends the response, which lets the connection go on to the next request. */
  complete(): void {
    if (this.ended) return;
    this.#end();
    this.res.end();
  }

  /** The same, with the last bytes of the body: in one write, together with the headers if they are still here. */
  completeWith(bytes: Uint8Array): void {
    if (this.ended) return;
    this.count(bytes.length);
    this.#end();
    this.res.end(bytes);
  }

  /** The rest cannot be sent: closes the connection, so that the client sees a cut answer and never a padded one. */
  cut(): void {
    if (this.ended) return;
    this.#end();
    this.res.destroy();
  }

  #end(): void {
    this.ended = true;
    this.#totals.open -= 1;
    watched.get(this.socket)?.delete(this);
    this.file.close().catch(() => undefined);
    this.#release();
  }

  #release(): void {
    const done = this.#afterWrite;
    this.#afterWrite = undefined;
    done?.();
  }
}

/**
 * The transfers of each connection. A response that waits behind a pipelined one never hears that its socket closed,
 * so the socket itself is watched, once, however many answers wait on it.
 */
const watched = new WeakMap<Socket, Set<Transfer>>();

function watch(socket: Socket, transfer: Transfer): void {
  const known = watched.get(socket);
  if (known !== undefined) {
    known.add(transfer);
    return;
  }
  const transfers = new Set([transfer]);
  watched.set(socket, transfers);
  socket.once('close', () => {
    for (const each of transfers) each.cut();
  });
}
