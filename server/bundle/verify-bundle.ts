/** Reading a bundle to see what it is worth: all of it, or only what it says it holds. */
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { Contents, PlacedFile } from './contents.js';
import { type BundleSignature, type OpenOptions, openBundle, openTrustedBundle } from './read-bundle.js';

/** What is to be read. */
export interface VerifyRequest extends OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes the files have, and then of each piece of them. */
  readonly onTotal?: ((bytes: number) => void) | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** A bundle that was looked into. */
export interface ShownBundle {
  /** Of its bundle.json. */
  readonly digest: Digest;
  readonly signature: BundleSignature;
  readonly contents: Contents<PlacedFile>;
}

/**
 * Reads and checks a bundle: the signature, and then every byte, in one pass.
 *
 * @throws DepotError `BUNDLE_UNTRUSTED`; `BUNDLE_INVALID`: with the file whose bytes are wrong; `INTERRUPTED`
 */
export async function verifyBundle(request: VerifyRequest): Promise<ShownBundle> {
  const { signal, onTotal, onBytes } = request;
  const bundle = await openTrustedBundle(request);
  try {
    const { digest, signature, contents } = bundle;
    onTotal?.(contents.files.reduce((sum, { size }) => sum + size, 0));
    for await (const { body } of bundle.files()) {
      for await (const piece of body) {
        if (signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted');
        onBytes?.(piece.length);
      }
    }
    return { digest, signature, contents };
  } finally {
    await bundle.close();
  }
}

/**
 * Reads what a bundle says it holds, trusted or not; its other bytes are not looked at.
 *
 * @throws DepotError `BUNDLE_INVALID`
 */
export async function showBundle(options: OpenOptions): Promise<ShownBundle> {
  const bundle = await openBundle(options);
  await bundle.close();
  const { digest, signature, contents } = bundle;
  return { digest, signature, contents };
}
