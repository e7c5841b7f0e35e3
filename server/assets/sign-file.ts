/**
 * Signing one file. One read of it checks the signature that is there and makes the new one; a signature is
 * published only if the file is still the one that was read.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { recognizeAci } from '../aci/recognize.js';
import { createPendingFile } from '../disk/atomic-file.js';
import type { FileVersion } from '../disk/file-version.js';
import { DepotError, type ErrorCode, fileError } from '../errors.js';
import { armorSignature, type HashName, signHashed } from '../openpgp/detached.js';
import { rktRefusal } from '../openpgp/rkt-rules.js';
import type { SigningKey } from '../openpgp/signing-key.js';
import { expectVersion, type HashedFile, hashFile, versionOf } from '../stream/hash-file.js';
import { judgeSignature, readSignatureFile, type SignatureFile } from './signature-file.js';
import { isAciName, type SignatureEnding } from './signature-name.js';

/** A file that changes while it is read is read again so often, with a pause in between. */
const MOST_READS = 4;
const PAUSE_MS = 250;

/** What all files of one run are signed with. */
export interface Signing {
  readonly key: SigningKey;
  readonly hashName: HashName;
  /** Keys of this depot that sign no more; their signatures are replaced like those of the current key. */
  readonly retired: ReadonlySet<string>;
  /** Sign what has a good signature, what is no ACI, and what somebody else has signed. */
  readonly force: boolean;
  /** Look and say, but write nothing. */
  readonly dryRun: boolean;
  readonly now: () => Date;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Waited for after each piece, so that work in the background leaves time for others. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** A file, and the signature it should have. */
export interface SignTarget {
  readonly path: string;
  readonly ending: SignatureEnding;
  /** Whether its SHA-256 is wanted too. */
  readonly digest: boolean;
}

/** What became of one file. */
export interface SignedFile {
  readonly path: string;
  /** Path of the signature it has, or should have. */
  readonly signature?: string;
  readonly action:
    | 'signed'
    /** It had a good signature by the current key. */
    | 'good'
    /** It had one that was not; or signing was forced. */
    | 're-signed'
    /** Somebody else's signature was left alone. */
    | 'kept'
    /** It is not what its name says. */
    | 'refused'
    /** It changed a moment ago, and is looked at again when it has come to rest; only where files are watched. */
    | 'waiting'
    | 'failed';
  /** Why, in one sentence; empty where there is nothing to say. */
  readonly reason: string;
  /** Of `refused` and `failed`. */
  readonly code?: ErrorCode;
  /** The bytes that were read, if they were. */
  readonly content?: SignedContent;
}

/** Which bytes were signed. */
export interface SignedContent {
  readonly version: FileVersion;
  /** 64 lower-case hex characters, if it was wanted. */
  readonly sha256: string | undefined;
}

/**
 * Makes sure that a file has a good signature by the current key.
 *
 * @returns what was done; what went wrong with this file is a result too
 * @throws DepotError `INTERRUPTED`
 */
export async function signFile(signing: Signing, target: SignTarget): Promise<SignedFile> {
  const { path } = target;
  const signature = path + target.ending;
  try {
    const outcome = await untilUnchanged(() => signOnce(signing, target, signature));
    return { path, signature, ...outcome };
  } catch (error) {
    return { path, signature, ...failureOf(error, path) };
  }
}

/** What an error means for the one file it came from: others can still be signed, unless the user wants no more. */
export function failureOf(
  error: unknown,
  path: string,
): Required<Pick<SignedFile, 'action' | 'reason' | 'code'>> {
  const { code, message } = fileError(error, path);
  if (code === 'INTERRUPTED') throw error;
  const refused = code === 'ACI_INVALID' || code === 'CHECK_FAILED';
  return { action: refused ? 'refused' : 'failed', reason: message, code };
}

/**
 * Does something with a file, again if the file changes meanwhile.
 *
 * @throws DepotError `FILE_CHANGED`: it does not stop changing; else what `work` throws
 */
export async function untilUnchanged<T>(work: () => Promise<T>): Promise<T> {
  for (let read = 1; ; read += 1) {
    try {
      return await work();
    } catch (error) {
      const again = error instanceof DepotError && error.code === 'FILE_CHANGED' && read < MOST_READS;
      if (!again) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

type Outcome = Pick<SignedFile, 'action' | 'reason' | 'content'>;

async function signOnce(signing: Signing, target: SignTarget, signature: string): Promise<Outcome> {
  const { path } = target;
  const expected = await versionOf(path);
  const existing = await readSignatureFile(signature);
  if (existing !== undefined && belongsToOthers(signing, target, existing)) {
    return leaveAlone(signing, target, existing);
  }
  if (existing === undefined) await refuseOtherThanAci(signing, path, expected);
  const algorithms = algorithmsFor(signing, target, existing);
  const hashed = await hashFile(path, algorithms, { ...signing, expected });
  const content = contentOf(hashed);
  const flaw = existing && (await flawOf(signing, target, existing, hashed));
  if (existing && flaw === undefined) return { action: 'good', reason: '', content };
  if (existing) await refuseOtherThanAci(signing, path, expected);
  await publish(signing, target, hashed);
  return { action: existing ? 're-signed' : 'signed', reason: flaw ?? '', content };
}

async function refuseOtherThanAci({ force }: Signing, path: string, version: FileVersion): Promise<void> {
  if (!isAciName(path) || force) return;
  try {
    await recognizeAci(path);
  } catch (error) {
    // Half an image is none: whether it is being written right now decides what to say.
    await expectVersion(path, version);
    throw error;
  }
}

function algorithmsFor(
  signing: Signing,
  target: SignTarget,
  existing: SignatureFile | undefined,
): readonly string[] {
  const names = new Set<string>([signing.hashName]);
  if (existing?.signature !== undefined) names.add(existing.signature.hashName);
  if (target.digest) names.add('sha256');
  return [...names];
}

function contentOf({ hashes, version }: HashedFile): SignedContent {
  return { version, sha256: hashes.get('sha256')?.copy().digest('hex') };
}

/** Why a signature is to be replaced; `undefined` if it is a good one by the current key. */
async function flawOf(
  { key, now, force }: Signing,
  { ending }: SignTarget,
  existing: SignatureFile,
  hashed: HashedFile,
): Promise<string | undefined> {
  if (force) return 'forced';
  const keyring = [key.certificate];
  const { state, reason } = await judgeSignature({ keyring, now: now() }, existing, hashed);
  if (state !== 'good') return reason;
  return existing.signature && ending === '.asc'
    ? rktRefusal(existing.signature, key.certificate)
    : undefined;
}

/**
 * Whether a signature is not for us to replace. Boot files come with signatures of those who made them, which clients
 * check with a key of their own; an `.asc` beside an ACI is what this depot is for.
 */
export function belongsToOthers(
  { key, retired, force }: Signing,
  target: Pick<SignTarget, 'ending'>,
  { signature }: SignatureFile,
): boolean {
  if (force || target.ending === '.asc') return false;
  if (signature === undefined) return true;
  const own = [key.fingerprint, ...retired];
  return !own.some((fingerprint) => fingerprint.endsWith(signature.issuerKeyId));
}

/** The result for somebody else's signature: nothing is checked, that is for `verify` with their certificate. */
async function leaveAlone(
  signing: Signing,
  { path, digest }: SignTarget,
  { signature, problem }: SignatureFile,
): Promise<Outcome> {
  const maker = signature?.issuerFingerprint ?? signature?.issuerKeyId;
  const reason = maker === undefined ? problem : `made by another key, ${maker}`;
  if (!digest) return { action: 'kept', reason };
  return { action: 'kept', reason, content: contentOf(await hashFile(path, ['sha256'], signing)) };
}

async function publish(
  signing: Signing,
  { path, ending }: SignTarget,
  { hashes, version }: HashedFile,
): Promise<void> {
  const signature = path + ending;
  const hash = hashes.get(signing.hashName);
  if (hash === undefined || signing.dryRun) return;
  const packet = await signHashed(signing.key, hash, signing.hashName, signing.now());
  const content = ending === '.asc' ? await armorSignature(packet) : packet;
  const pending = await createPendingFile(signature);
  try {
    await pending.handle.writeFile(content);
    // Syncing takes long; done before the last look at the file, it leaves next to no time between look and rename.
    await pending.handle.sync();
    await expectVersion(path, version);
    await pending.commit();
  } catch (error) {
    await pending.discard();
    throw fileError(error, signature);
  }
}
