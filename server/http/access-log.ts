/** What each request leaves behind when its answer has gone: one line in the log, one count in the metrics. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Log, Metrics } from '../index.js';
import type { OnUnreadable } from './refusals.js';
import { finalRequestIdOf } from './request-id.js';

/** Notes a request when it comes; what it returns is to be called once, when the answer has ended or was cut. */
export type Observer = (req: IncomingMessage, res: ServerResponse) => () => void;

/** The status of a request whose client left before there was an answer, as nginx logs it. */
const CLIENT_LEFT = 499;

/** An answer that has ended. */
export interface FinishedAnswer {
  /** As the client sent it, without the query. */
  readonly path: string;
  readonly status: number;
  /** Body bytes, as far as they are known; none where it was cut. */
  readonly bytes: number;
  /** Whether it was sent in full. */
  readonly complete: boolean;
}

/** Told of each answer that has ended; gives further members for its line as JSON text (`,"name":"value"`), or nothing. */
export type DescribeAnswer = (req: IncomingMessage, res: ServerResponse, answer: FinishedAnswer) => string;

/**
 * @param lines - whether requests are logged at all; they are counted in any case
 * @param describe - told of all of them
 */
export function createObserver(
  log: Log,
  metrics: Metrics,
  lines: boolean,
  describe: DescribeAnswer,
): Observer {
  const logged = lines && log.logger.isLevelEnabled('info');
  return (req, res) => {
    const cameAt = performance.now();
    // Express shortens the URL for the routers below it; a stream forgets its address when it closes.
    const path = pathOf(req.url ?? '/');
    const remote = req.socket.remoteAddress ?? '';
    const writtenBefore = req.socket.bytesWritten;
    return () => {
      const passedMs = performance.now() - cameAt;
      const complete = res.writableFinished;
      const status = res.headersSent ? res.statusCode : CLIENT_LEFT;
      const bytes = complete ? bodyBytes(req, res, writtenBefore) : 0;
      const method = req.method ?? '';
      metrics.count({ method, status, route: routeOf(path), bytes, seconds: passedMs / 1000 });
      const more = describe(req, res, { path, status, bytes, complete });
      if (!logged) return;
      const agent = req.headers['user-agent'] ?? '';
      const end = complete ? '' : ',"cut":true';
      log.writeLine(
        'info',
        `"id":"${finalRequestIdOf(req)}","method":${quote(method)},"path":${quote(path)},"status":${status},"bytes":${bytes},"ms":${passedMs.toFixed(1)},"remote":"${remote}","agent":${quote(agent)}${more}${end}`,
      );
    };
  };
}

/** The same for answers to what could not be read as a request: nothing but the status and the peer is known. */
export function observeUnreadable(log: Log, metrics: Metrics, lines: boolean): OnUnreadable {
  return (status, socket) => {
    metrics.count({ method: '', status, route: 'other', bytes: 0, seconds: 0 });
    const remote = socket instanceof Socket ? (socket.remoteAddress ?? '') : '';
    if (lines)
      log.writeLine('info', `"status":${status},"remote":"${remote}","msg":"unreadable request refused"`);
  };
}

/** Without the query, which may hold what nobody should read in a log. */
function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

const ROUTES: ReadonlySet<string> = new Set([
  'assets',
  'aci',
  'aci-images',
  'keys',
  'client',
  'lookaside',
  'extensions',
  'v2',
  'healthz',
  'readyz',
  'metrics',
]);

function routeOf(path: string): string {
  if (path === '/') return 'home';
  const end = path.indexOf('/', 1);
  const first = end === -1 ? path.slice(1) : path.slice(1, end);
  return ROUTES.has(first) ? first : 'other';
}

/** What the headers promised; where they are out of sight, what went through the socket, headers included. */
function bodyBytes(req: IncomingMessage, res: ServerResponse, writtenBefore: number): number {
  if (req.method === 'HEAD') return 0;
  const promised = Number(res.getHeader('content-length') ?? Number.NaN);
  return Number.isNaN(promised) ? Math.max(0, req.socket.bytesWritten - writtenBefore) : promised;
}

const PLAIN = /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/;
const TERMINAL_CONTROL = /[\x7f-\x9f]/g;

/** A text of a client as JSON; nothing in it can steer a terminal. */
export function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text.replace(TERMINAL_CONTROL, '?'));
}
