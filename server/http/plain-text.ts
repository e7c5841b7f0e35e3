/** Short answers in plain text: failures, refusals, liveness. */
import type { ServerResponse } from 'node:http';

/** What an earlier hand may have set and a short answer still says. */
const KEPT: ReadonlySet<string> = new Set([
  'allow',
  'connection',
  'content-range',
  'retry-after',
  'www-authenticate',
]);

/**
 * Answers with one line of text. Headers that were set for another answer (a file's type, length, validators) are
 * taken back.
 *
 * @param text - one line, without its newline
 */
export function answerPlainText(res: ServerResponse, status: number, text: string): void {
  for (const name of res.getHeaderNames()) {
    if (!KEPT.has(name)) res.removeHeader(name);
  }
  const body = `${text}\n`;
  res.statusCode = status;
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Cache-Control', 'no-cache');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.end(body);
}
