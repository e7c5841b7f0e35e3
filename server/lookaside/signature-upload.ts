/** A signature as clients send it to a registry with the signature extension. */
import { z } from 'zod';
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { Certificate } from '../openpgp/certificate.js';
import {
  type ContainerSignature,
  parseContainerSignature,
  verifyContainerSignature,
} from '../openpgp/container-signature.js';

const UPLOAD = z.object({
  schemaVersion: z.literal(2),
  type: z.literal('atomic'),
  content: z.base64().min(1),
});

/** A signature that may be kept. */
export interface SignatureUpload {
  readonly bytes: Buffer;
  readonly signature: ContainerSignature;
}

/**
 * Reads what a client sent.
 *
 * @param body - untrusted JSON
 * @param digest - of the manifest that it was sent for
 * @throws DepotError `BAD_REQUEST`: no such document, no signature that clients could read, or one of another manifest
 */
export async function parseSignatureUpload(body: Uint8Array, digest: Digest): Promise<SignatureUpload> {
  const parsed = UPLOAD.safeParse(parseJson(body));
  if (!parsed.success) throw invalid('expected { schemaVersion: 2, name, type: "atomic", content }');
  const bytes = Buffer.from(parsed.data.content, 'base64');
  const signature = await parseContainerSignature(bytes).catch((error: unknown) => {
    throw error instanceof DepotError && error.code === 'SIGNATURE_INVALID' ? invalid(error.message) : error;
  });
  if (signature.digest !== digest) throw invalid('the signature is of another manifest');
  return { bytes, signature };
}

/**
 * Refuses what pretends to be by one of our keys. What others have signed is for clients to judge.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export async function refuseFalseSignature(
  signature: ContainerSignature,
  keyring: readonly Certificate[],
  now: Date,
): Promise<void> {
  const { state, reason } = await verifyContainerSignature(signature, keyring, now);
  if (state === 'bad') throw invalid(`the signature ${reason}`);
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', 'expected JSON in UTF-8', {}, { cause });
  }
}

function invalid(message: string): DepotError {
  return new DepotError('BAD_REQUEST', message);
}
