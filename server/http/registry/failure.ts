/** Errors in the specification's shape. OCI distribution specification, "Error Codes". */
import type { ServerResponse } from 'node:http';
import { DepotError, type Logger, outcomeOf } from '../../index.js';
import { requestIdOf } from '../request-id.js';
import { answerJson } from './answer.js';

/**
 * Answers whatever a handler threw: status and code by the one table, the sentence and the facts of what was foreseen,
 * and for all else a request id and nothing more. Once headers have left the connection is closed.
 */
export function answerFailure(res: ServerResponse, error: unknown, logger: Logger): void {
  const { req } = res;
  if (res.destroyed || req.socket.destroyed) return;
  const { status, oci } = outcomeOf(error);
  const id = requestIdOf(req);
  if (status >= 500) logger.error({ request: id, err: error }, 'a registry request failed');
  if (res.headersSent) {
    res.destroy();
    return;
  }
  if (status === 503 || status === 429) res.setHeader('Retry-After', '3');
  const all = error instanceof DepotError ? [error, ...error.others] : [];
  const errors =
    status >= 500 || all.length === 0
      ? [
          {
            code: oci,
            message: status === 507 ? 'no space left' : `internal error, request ${id}`,
            detail: {},
          },
        ]
      : all.map((each) => ({ code: outcomeOf(each).oci, message: each.message, detail: each.facts }));
  // What is left of a body is read and dropped by node:http, so that the client gets to see this.
  answerJson(res, status, { errors });
}
