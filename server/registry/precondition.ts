/** What a client expects of a tag before it sets it. RFC 9110, section 13.1, for PUT. */
import { DepotError } from '../errors.js';
import { type Digest, isDigest } from '../oci/digest.js';

/** Throws if a manifest, or none, is not what the client expects to be there. */
export type Precondition = (current: Digest | undefined) => void;

/**
 * Reads the two fields; without them nothing is expected.
 *
 * @param ifMatch - digests as entity tags (`"sha256:…"`), one of which must be there, or `*`: any
 * @param ifNoneMatch - digests that must not be there, or `*`: none may be
 * @throws DepotError `BAD_REQUEST`: a list that is no list of digests. What is returned throws `PRECONDITION_FAILED`
 */
export function preconditionOf(ifMatch: string | undefined, ifNoneMatch: string | undefined): Precondition {
  const wanted = ifMatch === undefined ? undefined : readTags('If-Match', ifMatch);
  const unwanted = ifNoneMatch === undefined ? undefined : readTags('If-None-Match', ifNoneMatch);
  return (current) => {
    if (wanted !== undefined && !isAmong(current, wanted)) throw failed(current);
    if (unwanted !== undefined && isAmong(current, unwanted)) throw failed(current);
  };
}

function isAmong(current: Digest | undefined, tags: ReadonlySet<string>): boolean {
  return current !== undefined && (tags.has('*') || tags.has(current));
}

function readTags(field: string, text: string): ReadonlySet<string> {
  if (text.trim() === '*') return new Set('*');
  const tags = text.split(',').map((part) => /^"(.*)"$/.exec(part.trim())?.[1] ?? '');
  if (tags.every(isDigest)) return new Set(tags);
  throw new DepotError('BAD_REQUEST', `${field}: expected * or digests such as "sha256:…", in quotes`);
}

function failed(current: Digest | undefined): DepotError {
  const message = current === undefined ? 'the tag does not exist' : `the tag has ${current}`;
  return new DepotError('PRECONDITION_FAILED', message, { current: current ?? '' });
}
