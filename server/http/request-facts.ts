/**
 * What becomes known of a request while it is answered, for its line in the log. What address and answer tell by themselves
 * is read off them and need not be noted, so that most requests cost nothing here.
 */
import type { IncomingMessage } from 'node:http';
import type { Digest, RepositoryName } from '../index.js';

/** Facts that a handler may add; the later one of a name wins. */
export interface RequestFacts {
  /** The user whose credentials were right. */
  readonly user?: string;
  /** The repository, where it is not the one in the address. */
  readonly repository?: RepositoryName;
  /** The digest that was answered, where no header on the response says so. */
  readonly digest?: Digest;
  /** The code of the error that was answered. */
  readonly error?: string;
}

const NOTHING: RequestFacts = {};
const known = new WeakMap<IncomingMessage, RequestFacts>();

/** Adds to what is known of a request. */
export function noteFacts(req: IncomingMessage, facts: RequestFacts): void {
  const before = known.get(req);
  known.set(req, before === undefined ? facts : { ...before, ...facts });
}

/** All that was noted. */
export function notedFacts(req: IncomingMessage): RequestFacts {
  return known.get(req) ?? NOTHING;
}
