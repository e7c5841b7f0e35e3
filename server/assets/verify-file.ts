/**
 * What the signatures of one file are worth. The file is read once, whatever vouches for it: `.asc`, `.sig`, and a
 * line in a checksum list.
 */
import { stat } from 'node:fs/promises';
import { type ErrorCode, fileError } from '../errors.js';
import type { Certificate } from '../openpgp/certificate.js';
import { type HashedFile, hashFile } from '../stream/hash-file.js';
import {
  judgeSignature,
  readSignatureFile,
  type SignatureFile,
  type VerifiedState,
  type Witness,
} from './signature-file.js';

/** What was found about one file. */
export interface VerifiedFile {
  readonly path: string;
  /** `good` if all witnesses are; else what the first other one is. */
  readonly state: VerifiedState;
  readonly reason: string;
  readonly witnesses: readonly Witness[];
  /** Of a file that could not be read. */
  readonly code?: ErrorCode;
}

/** A file and what should vouch for it. */
export interface VerifyTarget {
  readonly path: string;
  /** Paths of detached signatures; one that is not there is passed over. */
  readonly signatures: readonly string[];
  /** The line of a checksum list. */
  readonly listed?: { readonly list: string; readonly sha256: string } | undefined;
  /** What must be there, or the file counts as `missing` it: a signature, a signature or a list, or nothing. */
  readonly needs: 'signature' | 'witness' | 'nothing';
}

/** What all files of one run are checked with. */
export interface Verifying {
  readonly keyring: readonly Certificate[];
  readonly now: Date;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Reads a file and everything that vouches for it.
 *
 * @returns `undefined`: nothing vouches for the file, and nothing needs to
 * @throws DepotError `INTERRUPTED`; what is wrong with the file itself is a result
 */
export async function verifyFile(
  verifying: Verifying,
  target: VerifyTarget,
): Promise<VerifiedFile | undefined> {
  const { path } = target;
  try {
    const witnesses = await questionWitnesses(verifying, target);
    const lacking = whatLacks(target, witnesses);
    if (lacking !== undefined) return { path, state: 'missing', reason: lacking, witnesses };
    const told = witnesses.find((witness) => witness.state !== 'good') ?? witnesses[0];
    return told && { path, state: told.state, reason: told.reason, witnesses };
  } catch (error) {
    const { code, message } = fileError(error, path);
    if (code === 'INTERRUPTED') throw error;
    return { path, state: 'failed', reason: message, witnesses: [], code };
  }
}

function whatLacks({ needs, listed }: VerifyTarget, witnesses: readonly Witness[]): string | undefined {
  const signatures = witnesses.length - (listed === undefined ? 0 : 1);
  if (needs === 'signature' && signatures === 0) return 'has no signature';
  if (needs === 'witness' && witnesses.length === 0) return 'has no signature, and no checksum list has it';
  return undefined;
}

async function questionWitnesses(verifying: Verifying, target: VerifyTarget): Promise<Witness[]> {
  const { path, listed } = target;
  const signatures: SignatureFile[] = [];
  for (const signaturePath of target.signatures) {
    const file = await readSignatureFile(signaturePath);
    if (file !== undefined) signatures.push(file);
  }
  if (signatures.length === 0 && listed === undefined) return [];
  const algorithms = new Set<string>(signatures.flatMap(({ signature }) => signature?.hashName ?? []));
  if (listed !== undefined) algorithms.add('sha256');
  const hashed = await hashFile(path, [...algorithms], verifying);
  const witnesses: Witness[] = [];
  for (const file of signatures) witnesses.push(await judgeSignature(verifying, file, hashed));
  if (listed !== undefined) witnesses.push(await compareDigest(listed, hashed));
  return witnesses;
}

async function compareDigest(
  { list, sha256 }: { readonly list: string; readonly sha256: string },
  { hashes, version }: HashedFile,
): Promise<Witness> {
  if (hashes.get('sha256')?.copy().digest('hex') === sha256) {
    return { path: list, state: 'good', reason: `as ${list} says` };
  }
  const { mtimeMs } = await stat(list);
  const state = mtimeMs < version.mtimeMs ? 'stale' : 'bad';
  const reason = `does not have the digest that ${list} says`;
  return { path: list, state, reason: state === 'stale' ? `${reason}, and is newer than it` : reason };
}
