/** Answers of the registry: exact headers, a length always, and never an encoding or a charset. */
import type { ServerResponse } from 'node:http';
import type { Digest } from '../../index.js';

/** Header fields by name. */
export type Headers = Readonly<Record<string, string>>;

/** What every answer of the registry has. */
export const EVERYWHERE: Headers = {
  'Docker-Distribution-Api-Version': 'registry/2.0',
  'X-Content-Type-Options': 'nosniff',
};

/** Says which content an answer is about. */
export function identity(digest: Digest): Headers {
  return { 'Docker-Content-Digest': digest, ETag: `"${digest}"` };
}

/** Sets headers for an answer that is to follow. */
export function setHeaders(res: ServerResponse, headers: Headers): void {
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
}

/**
 * Tells the client what it should know of what it gets. OCI distribution specification, "Warnings".
 *
 * @param text - printable ASCII without quotes and backslashes
 */
export function warn(res: ServerResponse, text: string): void {
  res.setHeader('Warning', `299 - "${text}"`);
}

/**
 * Answers with a body that is at hand; a HEAD gets the same headers without it.
 *
 * @param headers - beside the length
 */
export function answerBytes(res: ServerResponse, status: number, body: Uint8Array, headers: Headers): void {
  res.statusCode = status;
  setHeaders(res, headers);
  res.setHeader('Content-Length', body.length);
  res.end(res.req.method === 'HEAD' ? undefined : body);
}

/** Answers with a JSON document. */
export function answerJson(
  res: ServerResponse,
  status: number,
  document: unknown,
  headers: Headers = {},
): void {
  answerBytes(res, status, Buffer.from(JSON.stringify(document)), {
    'Content-Type': 'application/json',
    ...headers,
  });
}

/** Answers with headers alone. */
export function answerEmpty(res: ServerResponse, status: number, headers: Headers): void {
  res.statusCode = status;
  setHeaders(res, headers);
  if (status !== 204 && status !== 304) res.setHeader('Content-Length', 0);
  res.end();
}
