/** What machines ask about the server itself: is it alive, is it ready, what has it done. */
import { type Response, Router } from 'express';
import type { Metrics } from '../index.js';
import { onlyReads } from './only-reads.js';
import { answerPlainText } from './plain-text.js';
import type { Readiness } from './readiness.js';

/** What the health routes ask. */
export interface HealthOptions {
  readonly metrics: Metrics;
  readonly readiness: () => Promise<Readiness>;
}

/**
 * The routes `/healthz` (200 as long as the process answers), `/readyz` (200 or 503, with the details as JSON) and `/metrics`
 * (Prometheus text).
 */
export function healthRouter({ metrics, readiness }: HealthOptions): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.use(['/healthz', '/readyz', '/metrics'], onlyReads);
  router.get('/healthz', (_req, res) => answerPlainText(res, 200, 'ok'));
  router.get('/readyz', async (_req, res) => {
    const state = await readiness();
    answerBody(
      res.status(state.ready ? 200 : 503),
      'application/json',
      `${JSON.stringify(state, null, 2)}\n`,
    );
  });
  router.get('/metrics', async (_req, res) => {
    answerBody(res, metrics.contentType, await metrics.text());
  });
  return router;
}

function answerBody(res: Response, type: string, body: string): void {
  res.setHeader('Content-Type', type);
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Cache-Control', 'no-cache');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.end(body);
}
