/** A short name for each request, to find it again in the log. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const ACCEPTED = /^[\w.-]{1,64}$/;
const known = new WeakMap<IncomingMessage, string>();
const processPart = randomBytes(3).toString('hex');
let counter = 0;

/**
 * The id of a request: the one that a proxy in front gave it (`X-Request-Id`: letters, digits, `.`, `_`, `-`, at most
 * 64), else one of our own that is unique in this process and hardly met in another. It stays the same.
 */
export function requestIdOf(req: IncomingMessage): string {
  const id = finalRequestIdOf(req);
  known.set(req, id);
  return id;
}

/** The same where nobody will ask again, which most requests are spared the keeping of. */
export function finalRequestIdOf(req: IncomingMessage): string {
  const kept = known.get(req);
  if (kept !== undefined) return kept;
  const given = req.headers['x-request-id'];
  if (typeof given === 'string' && ACCEPTED.test(given)) return given;
  counter += 1;
  return `${processPart}-${counter.toString(36)}`;
}
