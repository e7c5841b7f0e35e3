/** Files that hold a detached signature, and what one is worth for bytes that were hashed. */
import { open } from 'node:fs/promises';
import { DepotError, fileError, systemCode } from '../errors.js';
import type { Certificate } from '../openpgp/certificate.js';
import { type DetachedSignature, parseDetachedSignature, verifyHashed } from '../openpgp/verify.js';
import type { HashedFile } from '../stream/hash-file.js';

/** Larger than any detached signature; what is larger is something else. */
const MAX_SIGNATURE_BYTES = 1024 * 1024;

/** What was found about a file, or about one of its signatures. */
export type VerifiedState =
  | 'good'
  /** Not of these bytes, and older than the file: most likely the file was replaced since. */
  | 'stale'
  /** Not of these bytes, or not a signature that counts. */
  | 'bad'
  /** There is none, and there should be. */
  | 'missing'
  | 'unknown-key'
  | 'expired-key'
  | 'revoked-key'
  | 'expired-signature'
  /** The file could not be read. */
  | 'failed';

/** One thing that vouches for a file: a signature, or its line in a checksum list. */
export interface Witness {
  /** Path of the signature or the list. */
  readonly path: string;
  readonly state: VerifiedState;
  readonly reason: string;
  /** Of the certificate whose key made the signature, 40 upper-case hex digits; where it is known. */
  readonly fingerprint?: string;
}

/** A signature file that is there; `signature` is missing if it cannot be used. */
export interface SignatureFile {
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  readonly signature: DetachedSignature | undefined;
  /** Why there is no signature in it. */
  readonly problem: string;
}

/**
 * Reads the file of a detached signature.
 *
 * @returns `undefined` if there is no such file
 * @throws DepotError `ACCESS_DENIED`, `IO_FAILED`, …
 */
export async function readSignatureFile(path: string): Promise<SignatureFile | undefined> {
  try {
    const handle = await open(path, 'r');
    try {
      const { mtimeMs, size } = await handle.stat();
      const bytes = size > MAX_SIGNATURE_BYTES ? new Uint8Array() : await handle.readFile();
      return { path, modifiedMs: mtimeMs, ...(await parseSignature(bytes)) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path);
  }
}

async function parseSignature(bytes: Uint8Array): Promise<Pick<SignatureFile, 'signature' | 'problem'>> {
  try {
    return { signature: await parseDetachedSignature(bytes), problem: '' };
  } catch (error) {
    if (error instanceof DepotError) return { signature: undefined, problem: error.message };
    throw error;
  }
}

/** What a signature is worth for bytes that were hashed with its algorithm, among others. */
export async function judgeSignature(
  { keyring, now }: { readonly keyring: readonly Certificate[]; readonly now: Date },
  { path, modifiedMs, signature, problem }: SignatureFile,
  { hashes, version }: HashedFile,
): Promise<Witness> {
  const hash = signature && hashes.get(signature.hashName);
  if (signature === undefined || hash === undefined) return { path, state: 'bad', reason: problem };
  const { state, reason, certificate } = await verifyHashed(signature, hash, keyring, now);
  const told = state === 'bad' && modifiedMs < version.mtimeMs ? 'stale' : state;
  return {
    path,
    state: told,
    reason: told === 'stale' ? `${reason}, and is older than it` : reason,
    ...(certificate && { fingerprint: certificate.fingerprint }),
  };
}
