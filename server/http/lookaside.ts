/**
 * `/lookaside`: signatures of container images, where podman and its kin look for them. Whatever is not there is a plain 404:
 * clients take any other answer for a failure, and then pull nothing at all, not even where no signature is asked for.
 */
import type { Request, RequestHandler, Response } from 'express';
import type { Logger, Lookaside } from '../index.js';
import { onlyReads } from './only-reads.js';
import { answerPlainText } from './plain-text.js';
import { splitTarget } from './request-target.js';

/** Makes the handler, to be mounted at `/lookaside`. */
export function lookasideHandler(lookaside: Lookaside, logger: Logger): RequestHandler {
  return (req, res, next) =>
    onlyReads(req, res, (error?: unknown) => {
      if (error !== undefined) return next(error);
      return answer(req, res, lookaside).catch((failure: unknown) => {
        logger.error({ err: failure }, 'a signature of an image cannot be read');
        answerPlainText(res, 404, 'not found');
      });
    });
}

async function answer(req: Request, res: Response, lookaside: Lookaside): Promise<void> {
  const path = decode(splitTarget(req.originalUrl).path.slice(req.baseUrl.length + 1));
  const bytes = path === undefined ? undefined : await lookaside.read(path);
  if (bytes === undefined) return answerPlainText(res, 404, 'not found');
  res.setHeader('Content-Type', 'application/octet-stream');
  res.setHeader('Content-Length', bytes.length);
  res.setHeader('Cache-Control', 'no-cache');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.end(req.method === 'HEAD' ? undefined : bytes);
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
