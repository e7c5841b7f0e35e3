/** Where clients keep the list of referrers in a registry that has none. OCI distribution specification, "Referrers Tag Schema". */
import { algorithmOf, type Digest, hexOf } from './digest.js';
import { parseTag, type Tag } from './reference.js';

const MOST_OF_ALGORITHM = 32;
const MOST_OF_HEX = 64;

/** The tag whose index lists the referrers of a subject. Of a SHA-512 the second half is cut off. */
export function fallbackTag(subject: Digest): Tag {
  const algorithm = algorithmOf(subject).slice(0, MOST_OF_ALGORITHM);
  return parseTag(`${algorithm}-${hexOf(subject).slice(0, MOST_OF_HEX)}`);
}
