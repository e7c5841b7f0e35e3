/** The one place where an error becomes an HTTP answer. */
import { STATUS_CODES } from 'node:http';
import { types } from 'node:util';
import type { ErrorRequestHandler, Request, Response } from 'express';
import { DepotError, type Logger, outcomeOf } from '../index.js';
import { answerPlainText } from './plain-text.js';
import { requestIdOf } from './request-id.js';

/** For clients that ask again after a while, as boot firmware does. */
const RETRY_AFTER_S = '3';

/**
 * Answers whatever a handler threw: the status and text of its code, a client's fault that Express or serve-static
 * noticed under its own status, and 500 with the request id for all else. Server faults are logged under that id.
 * Once headers have left there is no honest answer: the connection is closed.
 */
export function createFailureHandler(logger: Logger): ErrorRequestHandler {
  // Express knows an error handler by its four parameters.
  return (error: unknown, req, res, _next) => fail(error, req, res, logger);
}

function fail(error: unknown, req: Request, res: Response, logger: Logger): void {
  if (res.destroyed || req.socket.destroyed) return;
  const id = requestIdOf(req);
  const { status, text } = answerOf(error);
  if (status >= 500) logger.error({ request: id, err: error }, 'a request failed');
  if (res.headersSent) {
    res.destroy();
    return;
  }
  if (status === 503 && !res.hasHeader('Retry-After')) res.setHeader('Retry-After', RETRY_AFTER_S);
  answerPlainText(res, status, status === 500 ? `${text}, request ${id}` : text);
}

function answerOf(error: unknown): { status: number; text: string } {
  if (error instanceof DepotError) return outcomeOf(error);
  const status = clientFaultOf(error);
  if (status === undefined) return outcomeOf(error);
  return { status, text: (STATUS_CODES[status] ?? 'bad request').toLowerCase() };
}

/** The 4xx status that Express, its router or serve-static put on an error of theirs. */
function clientFaultOf(error: unknown): number | undefined {
  if (!types.isNativeError(error) || !('status' in error)) return undefined;
  const { status } = error;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}
