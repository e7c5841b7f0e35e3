/** Errors in the specification's shape. OCI distribution specification, "Error Codes". */
import type { ServerResponse } from 'node:http';
import { DepotError, type Logger, outcomeOf } from '../../index.js';
import { noteFacts } from '../request-facts.js';
import { requestIdOf } from '../request-id.js';
import { answerJson } from './answer.js';

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
  const told = outcome.status < 500 && !isOfTheSystem(error);
  const status = outcome.status < 500 && !told ? 500 : outcome.status;
  const id = requestIdOf(req);
  noteFacts(req, { error: codeFor(error) });
  if (!told) logger.error({ request: id, err: error }, 'a registry request failed');
  if (res.headersSent) {
    res.destroy();
    return;
  }
  if (status === 503 || status === 429) res.setHeader('Retry-After', '3');
  const all = told && error instanceof DepotError ? [error, ...error.others] : [];
  const errors = all.map((each) => ({
    code: outcomeOf(each).oci ?? 'UNKNOWN',
    message: each.message,
    detail: each.facts,
  }));
  if (errors.length === 0) errors.push(untold(status, id));
  // What is left of a body is read and dropped by node:http, so that the client gets to see this.
  answerJson(res, status, { errors });
}

/** For the log and the figures: what the client is told, and where the fault is ours, what it is. */
function codeFor(error: unknown): string {
  const { status, oci } = outcomeOf(error);
  if (status >= 500 && error instanceof DepotError) return error.code;
  return oci ?? 'UNKNOWN';
}

/** What the operating system said names files of this machine. */
function isOfTheSystem(error: unknown): boolean {
  return error instanceof DepotError && 'system' in error.facts;
}

function untold(status: number, id: string) {
  const message = UNTOLD.get(status) ?? `internal error, request ${id}`;
  return { code: status === 500 ? 'UNKNOWN' : 'UNAVAILABLE', message, detail: {} };
}
