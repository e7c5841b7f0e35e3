/**
 * Signatures of container images ("simple signing"): a small JSON text that names a manifest's digest and the image it is
 * called by, inside a binary OpenPGP message that is signed inline. containers/image, docs/containers-signature.5.md.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { DepotError } from '../errors.js';
import { type Digest, isDigest } from '../oci/digest.js';
import type { Certificate } from './certificate.js';
import { type HashName, signHashed } from './detached.js';
import { inlineMessage, readInlineMessage } from './inline-message.js';
import type { SigningKey } from './signing-key.js';
import { type DetachedSignature, type Verdict, verifyHashed } from './verify.js';

/** What a signature vouches for: these bytes are that image. */
export interface ContainerClaim {
  /** Of the manifest's bytes as they are served. */
  readonly digest: Digest;
  /** What clients call the image, such as `registry.example.com:5000/hyperkube:v1.3.6_coreos.0`. */
  readonly identity: string;
}

/** A signature that was read, and not yet checked. */
export interface ContainerSignature extends ContainerClaim {
  /** The signed bytes. */
  readonly content: Uint8Array;
  readonly signature: DetachedSignature;
}

/** Larger than any that clients read. */
export const MAX_CONTAINER_SIGNATURE_BYTES = 64 * 1024;

const KIND = 'atomic container signature';

/** Clients refuse unknown members in `critical` and pass over those in `optional`. */
const PAYLOAD = z.strictObject({
  critical: z.strictObject({
    type: z.literal(KIND),
    image: z.strictObject({ 'docker-manifest-digest': z.string().refine(isDigest) }),
    identity: z.strictObject({ 'docker-reference': z.string().min(1) }),
  }),
  optional: z.looseObject({ creator: z.string().optional(), timestamp: z.int().optional() }),
});

/** How a claim is signed. */
export interface ContainerSigning {
  readonly key: SigningKey;
  readonly hashName: HashName;
  readonly now: Date;
}

/**
 * Signs a claim.
 *
 * @returns a binary message: one-pass signature, literal data, signature by the primary key
 * @throws DepotError `KEY_UNUSABLE`
 */
export async function signContainer(claim: ContainerClaim, signing: ContainerSigning): Promise<Buffer> {
  const { key, hashName, now } = signing;
  const payload: z.input<typeof PAYLOAD> = {
    critical: {
      type: KIND,
      image: { 'docker-manifest-digest': claim.digest },
      identity: { 'docker-reference': claim.identity },
    },
    optional: { creator: 'bootdepot', timestamp: Math.floor(now.getTime() / 1000) },
  };
  const content = Buffer.from(JSON.stringify(payload));
  const signature = await signHashed(key, createHash(hashName).update(content), hashName, now);
  return inlineMessage({ content, signature, hashName, fingerprint: key.fingerprint });
}

/**
 * Reads a signature.
 *
 * @param bytes - untrusted
 * @throws DepotError `SIGNATURE_INVALID`: not such a message (armored, cleartext, detached), or signed text that clients refuse
 */
export async function parseContainerSignature(bytes: Uint8Array): Promise<ContainerSignature> {
  if (bytes.length > MAX_CONTAINER_SIGNATURE_BYTES) throw invalid('is too large');
  const { content, signature } = await readInlineMessage(bytes);
  const payload = PAYLOAD.safeParse(parseJson(content));
  if (!payload.success) {
    const [issue] = payload.error.issues;
    throw invalid(`signs a text that is none about an image: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { image, identity } = payload.data.critical;
  return {
    digest: image['docker-manifest-digest'],
    identity: identity['docker-reference'],
    content,
    signature,
  };
}

/** Checks who made a signature. What it claims is for the caller to compare. */
export function verifyContainerSignature(
  { signature, content }: ContainerSignature,
  keyring: readonly Certificate[],
  now: Date,
): Promise<Verdict> {
  return verifyHashed(signature, createHash(signature.hashName).update(content), keyring, now);
}

function parseJson(content: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
  } catch (cause) {
    throw invalid('signs what is no JSON', cause);
  }
}

function invalid(problem: string, cause?: unknown): DepotError {
  return new DepotError('SIGNATURE_INVALID', `the signature ${problem}`, {}, { cause });
}
