/** An HTTP/1.1 client of a few lines over a bare socket: what it sends and when it reads is the test's to say. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One answer, its body as a digest: bodies here are too large to compare by eye. */
export interface RawAnswer {
  readonly status: number;
  /** Header lines in the order and case in which they came. */
  readonly headers: readonly string[];
  readonly length: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** SHA-256 in lower-case hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The text of a request without a body. */
export function request(path: string, method = 'GET', headers: Record<string, string> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nHost: depot\r\n${lines.join('')}\r\n`;
}

/** A connection that reads answers one after the other, and only when asked. */
export class RawClient {
  readonly socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  /** Milliseconds to wait before each read: a slow client. */
  readonly #pauseMs: number;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket, pauseMs: number) {
    this.socket = socket;
    this.#pauseMs = pauseMs;
    for (const event of ['readable', 'end', 'close', 'error']) socket.on(event, () => this.#wake());
  }

  /** @param pauseMs - to wait before each read */
  static async open(port: number, pauseMs = 0): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1' });
    await once(socket, 'connect');
    return new RawClient(socket, pauseMs);
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** One GET and its answer. */
  async get(path: string, headers: Record<string, string> = {}): Promise<RawAnswer> {
    this.send(request(path, 'GET', headers));
    return await this.answer();
  }

  /**
   * Reads the next answer.
   *
   * @param hasBody - false for the answer to a HEAD
   * @throws when the connection ends before the answer does
   */
  async answer(hasBody = true): Promise<RawAnswer> {
    const [first = '', ...headers] = await this.#head();
    const status = Number(first.split(' ')[1]);
    const bodiless = !hasBody || status === 304;
    const declared = /^content-length: (\d+)$/im.exec(headers.join('\n'))?.[1];
    const length = bodiless ? 0 : Number(declared);
    const hash = createHash('sha256');
    for (let left = length; left > 0; ) {
      if (this.#rest.length === 0) await this.#more();
      const piece = this.#rest.subarray(0, left);
      hash.update(piece);
      left -= piece.length;
      this.#rest = this.#rest.subarray(piece.length);
    }
    return { status, headers, length, sha256: hash.digest('hex') };
  }

  close(): void {
    this.socket.destroy();
  }

  async #head(): Promise<string[]> {
    let end = this.#rest.indexOf('\r\n\r\n');
    while (end < 0) {
      await this.#more();
      end = this.#rest.indexOf('\r\n\r\n');
    }
    const lines = this.#rest.subarray(0, end).toString('latin1').split('\r\n');
    this.#rest = this.#rest.subarray(end + 4);
    return lines;
  }

  async #more(): Promise<void> {
    if (this.#pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#pauseMs));
    for (;;) {
      const chunk: Buffer | null = this.socket.read();
      if (chunk !== null) {
        this.#rest = Buffer.concat([this.#rest, chunk]);
        return;
      }
      if (this.socket.readableEnded || this.socket.destroyed) throw new Error('the connection ended early');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
