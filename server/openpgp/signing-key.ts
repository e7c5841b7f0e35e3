/** The key that this depot signs with: found, opened and checked before it is used. */
import type { KeyObject } from 'node:crypto';
import type { Key, PrivateKey } from 'openpgp';
import { DepotError } from '../errors.js';
import { readKeyFile } from './blocks.js';
import { bareKey, type Certificate, certificateOf } from './certificate.js';
import { hasSecret, permissionWarnings, readCertificate, secretPath } from './key-folder.js';
import { type AskPassphrase, openSecret, parseSecret, unlock } from './secret-key.js';

/** Shorter keys are refused by openpgp.js, and by today's clients. */
const LEAST_BITS = 2048;

/** An opened key. Nothing in it can be printed by accident: the secret is a `KeyObject`. */
export interface SigningKey {
  /** 40 upper-case hex digits, of the primary key, which is the one that signs. */
  readonly fingerprint: string;
  /** The published certificate. */
  readonly certificate: Certificate;
  /** RSA. */
  readonly secret: KeyObject;
  /** What the operator should change, a sentence each: files that are open to others. */
  readonly warnings: readonly string[];
}

/**
 * Loads the signing key of a folder.
 *
 * @param passphrase - asked only if the key is locked
 * @param now - a key that has expired by then is refused
 * @throws DepotError `KEY_MISSING`: there is none; `KEY_UNUSABLE`: revoked, expired, not RSA, not readable;
 *   `PASSPHRASE_WRONG`: wrong or not given
 */
export async function loadSigningKey(
  keysDir: string,
  passphrase: AskPassphrase,
  now: Date = new Date(),
): Promise<SigningKey> {
  const secretKey = await readSecret(keysDir);
  const certificate = await knownCertificate(keysDir, secretKey);
  await refuseUnusable(certificate, now);
  return {
    fingerprint: certificate.fingerprint,
    certificate,
    secret: openSecret(await unlock(secretKey, passphrase)),
    warnings: await permissionWarnings(keysDir),
  };
}

/**
 * Reads the secret file without opening the key.
 *
 * @throws DepotError `KEY_MISSING`, `KEY_UNUSABLE`
 */
export async function readSecret(keysDir: string): Promise<PrivateKey> {
  const path = secretPath(keysDir);
  if (!(await hasSecret(keysDir))) {
    const message = `${keysDir} has no signing key: make one with bootdepot key create`;
    throw new DepotError('KEY_MISSING', message, { path });
  }
  return parseSecret(await readKeyFile(path), path);
}

/**
 * The certificate of a signing key: its certificate file, which may know of a new expiry or a revocation that the
 * secret file does not; what the secret file says where there is none, or where only that knows of a revocation.
 */
export async function knownCertificate(keysDir: string, secretKey: Key): Promise<Certificate> {
  const own = await certificateOf(await bareKey(secretKey));
  try {
    const published = await readCertificate(keysDir, own.fingerprint);
    return own.revoked && !published.revoked ? own : published;
  } catch (error) {
    if (error instanceof DepotError && error.code === 'NOT_FOUND') return own;
    throw error;
  }
}

/**
 * Refuses a key that cannot make signatures which clients take.
 *
 * @throws DepotError `KEY_UNUSABLE`: with the reason
 */
export async function refuseUnusable(certificate: Certificate, now: Date): Promise<void> {
  const reason = await reasonAgainst(certificate, now);
  if (reason !== undefined) {
    const { fingerprint } = certificate;
    throw new DepotError('KEY_UNUSABLE', `key ${fingerprint} cannot sign: ${reason}`, { fingerprint });
  }
}

async function reasonAgainst(certificate: Certificate, now: Date): Promise<string | undefined> {
  const { key, algorithm, revoked, created, expires } = certificate;
  if (key.keyPacket.version !== 4) return `it is of version ${key.keyPacket.version}, clients know version 4`;
  if (!algorithm.startsWith('RSA ')) return `it is ${algorithm}, rkt and bootdepot need RSA`;
  if (revoked) return 'it is revoked';
  if (created > now) return `it was made in the future, at ${created.toISOString()}: look at the clock`;
  if (expires !== undefined && expires <= now) return `it expired at ${expires.toISOString()}`;
  const { bits } = key.getAlgorithmInfo();
  if (bits === undefined || bits < LEAST_BITS)
    return `it is ${algorithm}, too short: ${LEAST_BITS} bits at least`;
  const signer = await key.getSigningKey(key.getKeyID(), now).catch(() => undefined);
  if (signer === key) return undefined;
  return 'its primary key may not sign, and rkt takes no signatures of a subkey';
}
