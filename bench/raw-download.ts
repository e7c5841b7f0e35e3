/** One keep-alive connection of a benchmark's client, with one request at a time on it. */
import { closeSocket, discard, openSocket, receive, sendText } from './raw-sockets.js';

/** What to do with the bytes of a body: copy them out of the kernel, or throw them away inside it. */
export type Sink = 'copy' | 'discard';

const MOST_DISCARDED = 1 << 24;
const head = Buffer.alloc(4096);
const sink = Buffer.alloc(256 * 1024);

/** Sends requests and swallows answers. */
export class RawDownload {
  readonly descriptor: number;
  /** Bytes of all answers so far, headers included. */
  bytes = 0;
  #left = 0;
  #header = '';
  readonly #sink: Sink;

  constructor(port: number, sink: Sink) {
    this.descriptor = openSocket(port);
    this.#sink = sink;
  }

  ask(path: string): void {
    this.#header = '';
    this.#left = -1;
    sendText(this.descriptor, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  }

  /** Takes what there is, a bounded amount; true when the answer is complete. */
  take(): boolean {
    const count = this.#left < 0 ? this.#takeHeader() : this.#takeBody();
    this.bytes += count;
    return this.#left === 0;
  }

  close(): void {
    closeSocket(this.descriptor);
  }

  #takeHeader(): number {
    const count = receive(this.descriptor, head);
    this.#header += head.toString('latin1', 0, count);
    const end = this.#header.indexOf('\r\n\r\n');
    if (end < 0) return count;
    if (!this.#header.startsWith('HTTP/1.1 200 ')) throw new Error(this.#header.slice(0, end));
    const length = Number(/^content-length: (\d+)/im.exec(this.#header)?.[1]);
    this.#left = length - (this.#header.length - end - 4);
    if (!(this.#left >= 0)) throw new Error('more bytes than the answer has');
    return count;
  }

  #takeBody(): number {
    const count =
      this.#sink === 'copy'
        ? receive(this.descriptor, sink, Math.min(sink.length, this.#left))
        : discard(this.descriptor, Math.min(MOST_DISCARDED, this.#left));
    this.#left -= count;
    return count;
  }
}
