/** What the signatures of a manifest are worth, each by itself. */
import type { Certificate } from '../openpgp/certificate.js';
import {
  type ContainerSignature,
  parseContainerSignature,
  verifyContainerSignature,
} from '../openpgp/container-signature.js';
import type { Verdict } from '../openpgp/verify.js';
import type { Lookaside, Signed, StoredSignature } from './lookaside.js';

/** A signature file, looked at. */
export interface JudgedSignature extends StoredSignature {
  /** `broken`: clients that come to it read no further. */
  readonly state: Verdict['state'] | 'broken';
  /** One sentence for a person. */
  readonly reason: string;
  /** Which image it vouches for; not there if it is broken. */
  readonly identity?: string;
  /** Whose it is: 40 hex digits; not there if that is unknown. */
  readonly fingerprint?: string;
}

/**
 * Judges all signatures of a manifest.
 *
 * @throws DepotError `ACCESS_DENIED`, `BUSY`, `IO_FAILED`
 */
export async function judgeSignatures(
  lookaside: Lookaside,
  signed: Signed,
  keyring: readonly Certificate[],
  now: Date,
): Promise<JudgedSignature[]> {
  const stored = await lookaside.list(signed);
  return Promise.all(stored.map((each) => judge(each, signed, keyring, now)));
}

async function judge(
  stored: StoredSignature,
  { digest }: Signed,
  keyring: readonly Certificate[],
  now: Date,
): Promise<JudgedSignature> {
  let signature: ContainerSignature;
  try {
    signature = await parseContainerSignature(stored.bytes);
  } catch (error) {
    return { ...stored, state: 'broken', reason: error instanceof Error ? error.message : String(error) };
  }
  const { identity } = signature;
  const { state, reason, certificate } = await verifyContainerSignature(signature, keyring, now);
  const fingerprint = certificate && { fingerprint: certificate.fingerprint };
  if (signature.digest !== digest) {
    return { ...stored, state: 'bad', reason: 'is of another manifest', identity, ...fingerprint };
  }
  return { ...stored, state, reason, identity, ...fingerprint };
}
