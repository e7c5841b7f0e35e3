/** Checking detached signatures by a hash state: the file is read once, by whoever has it. */
import type { Hash } from 'node:crypto';
import type { Key, SignaturePacket, Subkey } from 'openpgp';
import { DepotError } from '../errors.js';
import { readBlocks } from './blocks.js';
import type { Certificate } from './certificate.js';
import { loadOpenpgp } from './library.js';

/** Hash algorithms by their OpenPGP number, under their names in node:crypto. Broken ones are not here. */
const HASH_NAMES = {
  8: 'sha256',
  9: 'sha384',
  10: 'sha512',
  11: 'sha224',
  12: 'sha3-256',
  14: 'sha3-512',
} as const;

/** A detached signature over the bytes of a file. */
export interface DetachedSignature {
  /** What `createHash` of node:crypto must be given for {@link verifyHashed}. */
  readonly hashName: (typeof HASH_NAMES)[keyof typeof HASH_NAMES];
  /** 16 upper-case hex digits; of zeros where the signature does not say. */
  readonly issuerKeyId: string;
  /** 40 upper-case hex digits. */
  readonly issuerFingerprint: string | undefined;
  readonly created: Date;
  /** The armored block it came from, or nothing where it was binary. */
  readonly armor: string | undefined;
  /** The object of openpgp.js, for this room only. */
  readonly packet: SignaturePacket;
}

/** What a signature is worth. */
export interface Verdict {
  readonly state:
    | 'good'
    /** Not over these bytes, or not by this key, or by a key that may not sign. */
    | 'bad'
    /** No certificate of the keyring has the key. */
    | 'unknown-key'
    | 'expired-key'
    | 'revoked-key'
    | 'expired-signature';
  /** One sentence for a person. */
  readonly reason: string;
  /** Whose key it is; not there when it is unknown. */
  readonly certificate?: Certificate;
}

/** Clocks of two machines may differ by this much. */
const CLOCK_TOLERANCE_MS = 5 * 60 * 1000;

/**
 * Reads a signature file: the first packet of its first block, as clients do.
 *
 * @param bytes - armored or binary, untrusted
 * @throws DepotError `SIGNATURE_INVALID`: none there, not over binary data, of another version than 4, or with a
 *   hash that proves nothing (MD5, SHA-1, RIPEMD)
 */
export async function parseDetachedSignature(bytes: Uint8Array): Promise<DetachedSignature> {
  const openpgp = await loadOpenpgp();
  const { packet, armor } = await firstPacket(bytes);
  if (packet.version !== 4) throw invalid('is not of version 4');
  if (packet.signatureType !== openpgp.enums.signature.binary) throw invalid('is not over binary data');
  if (packet.created === null) throw invalid('does not say when it was made');
  const { hashAlgorithm } = packet;
  const hashName = Object.entries(HASH_NAMES).find(([number]) => Number(number) === hashAlgorithm)?.[1];
  if (hashName === undefined) throw invalid('uses a hash that is unknown or proves nothing');
  return {
    hashName,
    issuerKeyId: packet.issuerKeyID.toHex().toUpperCase().padStart(16, '0'),
    issuerFingerprint: packet.issuerFingerprint ? hex(packet.issuerFingerprint) : undefined,
    created: packet.created,
    armor,
    packet,
  };
}

async function firstPacket(
  bytes: Uint8Array,
): Promise<{ packet: SignaturePacket; armor: string | undefined }> {
  const openpgp = await loadOpenpgp();
  try {
    const [block] = await readBlocks(bytes);
    if (block !== undefined && (block.kind ?? 'SIGNATURE') === 'SIGNATURE') {
      const [packet] = (await openpgp.readSignature({ binarySignature: block.bytes })).packets;
      if (packet instanceof openpgp.SignaturePacket) return { packet, armor: block.armor };
    }
  } catch (cause) {
    throw invalid('cannot be read', cause);
  }
  throw invalid('is not there, or of a kind that is not supported');
}

/**
 * Checks a signature against a keyring. Certificates count as they are at `now`, as gpg sees it: a key that has
 * expired or was revoked since vouches for nothing.
 *
 * @param hash - of kind `signature.hashName`, has eaten the whole file; it is copied, not used up
 */
export async function verifyHashed(
  signature: DetachedSignature,
  hash: Hash,
  keyring: readonly Certificate[],
  now: Date,
): Promise<Verdict> {
  const digest = digestFor(signature.packet, hash);
  let worst: Verdict | undefined;
  for (const certificate of keyring) {
    for (const key of certificate.key.getKeys(signature.packet.issuerKeyID)) {
      const verdict = await judge(signature, digest, { certificate, key }, now);
      if (verdict.state === 'good') return verdict;
      worst ??= verdict;
    }
  }
  const issuer = signature.issuerFingerprint ?? signature.issuerKeyId;
  return worst ?? { state: 'unknown-key', reason: `made by a key that is not in the keyring: ${issuer}` };
}

/** A certificate and that key in it which a signature names. */
interface Signer {
  readonly certificate: Certificate;
  readonly key: Key | Subkey;
}

async function judge(
  signature: DetachedSignature,
  digest: Uint8Array,
  { certificate, key }: Signer,
  now: Date,
): Promise<Verdict> {
  const { packet, created } = signature;
  const verdict = (state: Verdict['state'], reason: string): Verdict => ({ state, reason, certificate });
  const fault = await faultOf(packet, digest, key);
  if (fault !== undefined) return verdict('bad', fault);
  if (created < key.getCreationTime()) return verdict('bad', 'is older than the key that made it');
  if (created.getTime() > now.getTime() + CLOCK_TOLERANCE_MS) {
    return verdict('bad', `was made in the future, at ${created.toISOString()}: compare the clocks`);
  }
  if (certificate.revoked) return verdict('revoked-key', 'made by a key that was revoked');
  const expires = await expiryOf(certificate, key);
  if (expires !== undefined && expires <= now) {
    return verdict('expired-key', `made by a key that expired at ${expires.toISOString()}`);
  }
  if (!(await maySign(certificate.key, key, now))) return verdict('bad', 'made by a key that may not sign');
  if (packet.getExpirationTime() <= now) return verdict('expired-signature', 'has expired');
  return verdict('good', `made by ${certificate.fingerprint}`);
}

/** Why the signature is not one by the key over what was digested, whatever the time is. */
async function faultOf(
  packet: SignaturePacket,
  digest: Uint8Array,
  key: Key | Subkey,
): Promise<string | undefined> {
  const [first, second] = packet.signedHashValue ?? [];
  if (first !== digest[0] || second !== digest[1]) return 'does not match the bytes of the file';
  try {
    // openpgp.js takes a digest that it finds here in place of hashing; it does so itself for streams.
    const prepared = Object.assign(packet, { hashed: digest });
    const type = packet.signatureType ?? 0;
    await prepared.verify(key.keyPacket, type, new Uint8Array(), packet.created ?? undefined, true);
    return undefined;
  } catch (error) {
    return `does not verify: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** When the key stops to be valid: a subkey also ends with its certificate. */
async function expiryOf(certificate: Certificate, key: Key | Subkey): Promise<Date | undefined> {
  const own = key === certificate.key ? undefined : await key.getExpirationTime();
  const { expires } = certificate;
  if (!(own instanceof Date)) return expires;
  return expires !== undefined && expires < own ? expires : own;
}

async function maySign(certificate: Key, key: Key | Subkey, now: Date): Promise<boolean> {
  try {
    return (await certificate.getSigningKey(key.getKeyID(), now)) === key;
  } catch {
    return false;
  }
}

/** The digest of a version 4 signature: the file, the head of the packet, and a trailer (RFC 9580, section 5.2.4). */
function digestFor(packet: SignaturePacket, hash: Hash): Uint8Array {
  const head = packet.signatureData ?? new Uint8Array();
  const trailer = Buffer.from([4, 0xff, 0, 0, 0, 0]);
  trailer.writeUInt32BE(head.length, 2);
  return hash.copy().update(head).update(trailer).digest();
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}

function invalid(problem: string, cause?: unknown): DepotError {
  return new DepotError('SIGNATURE_INVALID', `the signature ${problem}`, {}, { cause });
}
