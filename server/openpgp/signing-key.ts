/** The key that this depot signs with: found, opened and checked before it is used. */
import type { KeyObject } from 'node:crypto';
import type { PrivateKey } from 'openpgp';
import { DepotError } from '../errors.js';
import { readKeyFile } from './blocks.js';
import { bareCertificate, type Certificate, parseKeys } from './certificate.js';
import { hasSecret, permissionWarnings, readCertificate, secretPath } from './key-folder.js';
import { loadOpenpgp } from './library.js';
import { rsaPrivateKey } from './rsa.js';

/** Gives the passphrase of a locked key; `undefined` where nobody can be asked. */
export type AskPassphrase = () => Promise<string | undefined>;

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
  const certificate = await publishedCertificate(keysDir, secretKey);
  await refuseUnusable(secretKey, certificate, now);
  const open = await unlock(secretKey, passphrase);
  return {
    fingerprint: certificate.fingerprint,
    certificate,
    secret: openSecret(open),
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
 * Reads the one secret key of a file.
 *
 * @param name - of the file, for messages
 * @throws DepotError `KEY_UNUSABLE`: none, several, or not readable
 */
export async function parseSecret(bytes: Uint8Array, name: string): Promise<PrivateKey> {
  const [key, second] = await parseKeys(bytes, name).catch((cause: unknown) => {
    const message = cause instanceof DepotError ? cause.message : `${name} cannot be read`;
    throw new DepotError('KEY_UNUSABLE', message, { path: name }, { cause });
  });
  if (key === undefined || second !== undefined)
    throw unusable(`${name} holds several keys; one is expected`);
  if (!key.isPrivate()) throw unusable(`${name} holds a certificate, not a secret key`);
  return key;
}

/** The certificate file of the key; it may know of a revocation or a new expiry that the secret file does not. */
export async function publishedCertificate(keysDir: string, secretKey: PrivateKey): Promise<Certificate> {
  const own = await bareCertificate(secretKey);
  const published = await readCertificate(keysDir, own.fingerprint).catch((error: unknown) => {
    if (error instanceof DepotError && error.code === 'NOT_FOUND') return own;
    throw error;
  });
  return published.revoked || !own.revoked ? published : own;
}

/**
 * @throws DepotError `KEY_UNUSABLE`: with the reason why this key cannot sign at `now`
 */
export async function refuseUnusable(
  secretKey: PrivateKey,
  certificate: Certificate,
  now: Date,
): Promise<void> {
  const { fingerprint, algorithm, expires } = certificate;
  const { version } = secretKey.keyPacket;
  if (version !== 4)
    throw unusable(`key ${fingerprint} is of version ${version}; clients know version 4 only`);
  if (!algorithm.startsWith('RSA ')) {
    throw unusable(`key ${fingerprint} is ${algorithm}; bootdepot and rkt need an RSA key`);
  }
  if (certificate.revoked)
    throw unusable(`key ${fingerprint} is revoked: make another with bootdepot key rotate`);
  if (expires !== undefined && expires <= now) {
    throw unusable(`key ${fingerprint} expired at ${expires.toISOString()}: run bootdepot key rotate`);
  }
  const signer = await certificate.key.getSigningKey(certificate.key.getKeyID(), now).catch(() => undefined);
  if (signer !== certificate.key) {
    throw unusable(
      `key ${fingerprint} may not sign at ${now.toISOString()}: its primary key has no valid permission to`,
    );
  }
}

/**
 * Opens a key.
 *
 * @throws DepotError `PASSPHRASE_WRONG`: wrong or not given
 */
export async function unlock(secretKey: PrivateKey, passphrase: AskPassphrase): Promise<PrivateKey> {
  if (secretKey.isDecrypted()) return secretKey;
  const given = await passphrase();
  if (given === undefined || given === '') {
    throw new DepotError(
      'PASSPHRASE_WRONG',
      'the signing key is locked: give its passphrase with --passphrase-file or BOOTDEPOT_PASSPHRASE',
    );
  }
  const openpgp = await loadOpenpgp();
  try {
    return await openpgp.decryptKey({ privateKey: secretKey, passphrase: given });
  } catch (cause) {
    throw new DepotError('PASSPHRASE_WRONG', 'the passphrase does not open the signing key', {}, { cause });
  }
}

/**
 * The secret of an opened key's primary key.
 *
 * @throws DepotError `KEY_UNUSABLE`: its secret is not in the file, or not RSA
 */
export function openSecret(key: PrivateKey): KeyObject {
  const packet = key.keyPacket;
  if (!('privateParams' in packet) || packet.isDummy()) {
    throw unusable('the secret of the primary key is not in the file (made by --export-secret-subkeys?)');
  }
  return rsaPrivateKey(packet);
}

function unusable(message: string): DepotError {
  return new DepotError('KEY_UNUSABLE', message);
}
