/** A short name for each request, to find it again in the log. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const ACCEPTED = /^[\w.-]{1,64}$/;
const known = new WeakMap<IncomingMessage, string>();
const processPart = randomBytes(3).toString('hex');
let counter = 0;

/**
 * The id of a request: the one that a proxy in front gave it (`X-Request-Id`: letters, digits, `.`, `_`, `-`, at most 64), else
 * one of our own that is unique in this process and hardly met in another.
 */
export function requestIdOf(req: IncomingMessage): string {
  const kept = known.get(req);
  if (kept !== undefined) return kept;
  const given = req.headers['x-request-id'];
  counter += 1;
  const id =
    typeof given === 'string' && ACCEPTED.test(given) ? given : `${processPart}-${counter.toString(36)}`;
  known.set(req, id);
  return id;
}
