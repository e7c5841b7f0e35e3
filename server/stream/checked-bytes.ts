/** Bytes that must have a digest and a size: counted and hashed while they pass by. */
import { createHash } from 'node:crypto';
import { DepotError, type ErrorCode } from '../errors.js';
import { algorithmOf, type Digest, digestOf } from '../oci/digest.js';

/** What bytes are expected to be; what is not known is not checked. */
export interface ExpectedBytes {
  readonly digest: Digest | undefined;
  readonly size: number | undefined;
  /** How to call them in messages. */
  readonly name: string;
  /** Of the error when they are others; by default `IMAGE_INVALID`. */
  readonly code?: ErrorCode;
}

/**
 * Passes bytes on, and fails at their end if they are not the expected ones; earlier if there are too many.
 *
 * @throws DepotError `code`: another size or digest; the source's own errors
 */
export async function* checkedBytes(
  source: AsyncIterable<Uint8Array>,
  { digest, size, name, code = 'IMAGE_INVALID' }: ExpectedBytes,
): AsyncGenerator<Uint8Array> {
  const hash = digest === undefined ? undefined : createHash(algorithmOf(digest));
  let count = 0;
  for await (const chunk of source) {
    count += chunk.length;
    if (size !== undefined && count > size) throw wrong(`more than the ${size} bytes it should have`);
    hash?.update(chunk);
    yield chunk;
  }
  if (size !== undefined && count !== size) throw wrong(`${count} bytes, expected ${size}`);
  if (digest === undefined || hash === undefined) return;
  const found = digestOf(algorithmOf(digest), hash.digest('hex'));
  if (found !== digest) throw wrong(`the digest ${found}, expected ${digest}`);

  function wrong(what: string): DepotError {
    return new DepotError(code, `${name} has ${what}`, { name });
  }
}
