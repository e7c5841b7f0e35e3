/** Requests that are turned away before any route sees them, each with a short answer and no more. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { systemCode } from '../index.js';
import type { Connection, Connections } from './connections.js';
import { answerPlainText } from './plain-text.js';

/** How soon a client that was turned away for lack of room may come again. */
const RETRY_AFTER_S = '5';

/** How long a connection is read on after its last answer. */
const LINGER_MS = 1_000;

/**
 * Refuses a request that asks for what no route could give.
 *
 * @param urlLength - the longest URL that is read, in characters
 * @returns whether it did
 */
export function refuseRequest(
  req: IncomingMessage,
  res: ServerResponse,
  connection: Connection,
  urlLength: number,
): boolean {
  if (connection.surplus) {
    res.setHeader('Connection', 'close');
    res.setHeader('Retry-After', RETRY_AFTER_S);
    answerPlainText(res, 503, 'too many connections, try again');
  } else if ((req.url?.length ?? 0) > urlLength) {
    answerPlainText(res, 414, 'uri too long');
  } else if (req.httpVersion === '1.1' && req.headers.host === undefined) {
    answerPlainText(res, 400, 'a Host header is needed');
  } else if (req.headers.expect !== undefined && req.headers.expect.toLowerCase() !== '100-continue') {
    answerPlainText(res, 417, 'expectation failed');
  } else {
    return false;
  }
  return true;
}

/** Told of an answer that no request stands for: what it answers could not be read as one. */
export type OnUnreadable = (status: number, socket: Duplex) => void;

/**
 * Settles what reaches a server beside plain requests.
 *
 * - What is no HTTP gets a short 400, 408 or 431 and the connection is closed; where another answer is already
 *   under way on it, it is only closed.
 * - `Expect` leads to no interim answer: boot firmware hangs on 1xx, and no route reads a body. What is not
 *   `100-continue` gets 417 (RFC 9110, 10.1.1), see {@link refuseRequest}.
 * - `CONNECT` gets 405: this is no proxy.
 *
 * @param connections - know whether an answer is under way
 */
export function settleOddities(server: Server, connections: Connections, onUnreadable: OnUnreadable): void {
  const closing = new WeakSet<Duplex>();
  const asRequest = (req: IncomingMessage, res: ServerResponse) => void server.emit('request', req, res);
  server.on('checkContinue', asRequest);
  server.on('checkExpectation', asRequest);
  server.on('connect', (_req: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => socket.destroy());
    endWith(socket, '405 Method Not Allowed', '\r\nAllow: GET, HEAD');
    onUnreadable(405, socket);
  });
  server.on('clientError', (error: Error, socket: Duplex) => {
    const status = statusOf(systemCode(error));
    if (closing.has(socket)) return;
    closing.add(socket);
    if (status === undefined || !socket.writable || connections.isPending(socket)) {
      socket.destroy();
    } else {
      endWith(socket, status);
      onUnreadable(Number.parseInt(status, 10), socket);
    }
  });
}

/** The answer to what the parser could not take; none to failures of the connection itself, TLS included. */
function statusOf(code: string | undefined): string | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout';
  return code?.startsWith('HPE_') ? '400 Bad Request' : undefined;
}

/** Reads on for a moment after the answer: closing on unread bytes resets the connection and the answer is lost. */
function endWith(socket: Duplex, status: string, headers = ''): void {
  const body = `${status.slice(4).toLowerCase()}\n`;
  const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}`;
  socket.end(`${head}${headers}\r\nConnection: close\r\n\r\n${body}`);
  socket.resume();
  const end = setTimeout(() => socket.destroy(), LINGER_MS);
  end.unref();
  socket.once('close', () => clearTimeout(end));
}
