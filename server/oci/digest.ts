/** Content digests in text form, `algorithm:hex`. OCI image specification, descriptor.md, "Digests". */
import { DepotError } from '../errors.js';

const HEX_LENGTH = { sha256: 64, sha512: 128 } as const;

/** The algorithms that content may be named by. */
export type Algorithm = keyof typeof HEX_LENGTH;

/** All of them. */
export const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512'];

declare const checked: unique symbol;

/** A checked digest; only {@link parseDigest} and {@link isDigest} make one, so its parts are safe as file names. */
export type Digest = `${Algorithm}:${string}` & { readonly [checked]: 'digest' };

/** Whether a text is a digest of a known algorithm, in lower-case hex of the right length. */
export function isDigest(text: string): text is Digest {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  return (
    isAlgorithm(algorithm) &&
    text.length === colon + 1 + HEX_LENGTH[algorithm] &&
    /^[0-9a-f]+$/.test(text.slice(colon + 1))
  );
}

/** Whether a text names an algorithm of {@link Algorithm}. */
export function isAlgorithm(text: string): text is Algorithm {
  return Object.hasOwn(HEX_LENGTH, text);
}

/**
 * Reads a digest that a client sent.
 *
 * @param text - untrusted
 * @throws DepotError `DIGEST_INVALID`: another algorithm, a wrong length, upper case
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new DepotError(
    'DIGEST_INVALID',
    'expected sha256: with 64 or sha512: with 128 digits of lower-case hex',
    { digest: text.slice(0, 200) },
  );
}

/**
 * Makes a digest of the result of a hash function.
 *
 * @throws DepotError `DIGEST_INVALID`: the hex has the length of another algorithm
 */
export function digestOf(algorithm: Algorithm, hex: string): Digest {
  return parseDigest(`${algorithm}:${hex}`);
}

/** The part before the colon. */
export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The part behind the colon: 64 or 128 digits. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
