/** Errors in the specification's shape. OCI distribution specification, "Error Codes". */
import type { ServerResponse } from 'node:http';
import { DepotError, type Logger, outcomeOf } from '../../index.js';
import { noteFacts } from '../request-facts.js';
import { requestIdOf } from '../request-id.js';
import { answerJson, EVERYWHERE, setHeaders } from './answer.js';

const UNTOLD: ReadonlyMap<number, string> = new Map([
  [503, 'busy, try again'],
  [507, 'no space left'],
]);

/**
 * Answers whatever a handler threw: status and code by the one table, the sentence and the facts of what was foreseen,
 * and for all else a request id and nothing more. Once headers have left the connection is closed.
 */
export function answerFailure(res: ServerResponse, error: unknown, logger: Logger): void {
  const { req } = res;
  if (res.destroyed || req.socket.destroyed) return;
  const outcome = outcomeOf(error);
  const told = isTold(error);
  const status = outcome.status < 500 && !told ? 500 : outcome.status;
  const id = requestIdOf(req);
  noteFacts(req, { error: codeFor(error) });
  if (!told || status >= 500) logger.error({ request: id, err: error }, 'a registry request failed');
  if (res.headersSent) {
    res.destroy();
    return;
  }
  setHeaders(res, EVERYWHERE);
  if (status === 503 || status === 429) res.setHeader('Retry-After', '3');
  // Where something is not done to one thing alone (RFC 9110, section 15.5.6); a route that knows more has said so.
  if (status === 405 && !res.hasHeader('Allow')) res.setHeader('Allow', 'GET, HEAD');
  const errors = told ? errorsOf(error) : [untold(status, id)];
  if (req.complete || req.headers.expect !== undefined) answerJson(res, status, { errors });
  else answerThenDrop(res, status, { errors });
}

/** What was foreseen, in the sentence and the facts of each. */
function errorsOf(error: unknown): readonly object[] {
  const all = error instanceof DepotError ? [error, ...error.others] : [];
  return all.map((each) => ({
    code: outcomeOf(each).oci ?? 'UNKNOWN',
    message: each.message,
    detail: each.facts,
  }));
}

/** How long the rest of a body is read and dropped. */
const LINGER_MS = 2_000;

/**
 * Answers a client that is still sending. Closing on bytes that nobody read resets the connection, and the answer is lost with
 * it; so they are read and dropped for a while, and the answer, whose length the client knows, ends after that.
 */
function answerThenDrop(res: ServerResponse, status: number, document: object): void {
  const { req } = res;
  const body = Buffer.from(JSON.stringify(document));
  res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length });
  res.write(body);
  const late = setTimeout(() => req.socket.destroy(), LINGER_MS);
  late.unref();
  res.once('close', () => clearTimeout(late));
  req.once('end', () => res.end());
  req.resume();
}

/** For the log and the figures: what the client is told, and where the fault is ours, what it is. */
function codeFor(error: unknown): string {
  const { status, oci } = outcomeOf(error);
  if (status >= 500 && error instanceof DepotError) return error.code;
  return oci ?? 'UNKNOWN';
}

/** Whether the sentence of an error is for clients: those of the server's own faults are not, but for what an upstream did. */
function isTold(error: unknown): boolean {
  return isUpstreamFailure(error) || (outcomeOf(error).status < 500 && !isOfTheSystem(error));
}

/** What the operating system said names files of this machine. */
function isOfTheSystem(error: unknown): boolean {
  return error instanceof DepotError && 'system' in error.facts;
}

function untold(status: number, id: string) {
  const message = UNTOLD.get(status) ?? `internal error, request ${id}`;
  return { code: status === 500 ? 'UNKNOWN' : 'UNAVAILABLE', message, detail: {} };
}

/** What an upstream did is told: such a sentence names the upstream and a reason, and nothing of ours. */
function isUpstreamFailure(error: unknown): boolean {
  return error instanceof DepotError && /^UPSTREAM_/.test(error.code);
}
