/** Secret keys as files hold them: read, and opened with a passphrase. */
import type { KeyObject } from 'node:crypto';
import type { PrivateKey } from 'openpgp';
import { DepotError } from '../errors.js';
import { parseKeys } from './certificate.js';
import { loadOpenpgp } from './library.js';
import { rsaPrivateKey } from './rsa.js';

/** Gives the passphrase of a locked key; `undefined` where nobody can be asked. */
export type AskPassphrase = () => Promise<string | undefined>;

/**
 * Reads the one secret key of a file.
 *
 * @param bytes - armored or binary, untrusted
 * @param name - of the file, for messages
 * @throws DepotError `KEY_UNUSABLE`: none, several, a certificate, or not readable
 */
export async function parseSecret(bytes: Uint8Array, name: string): Promise<PrivateKey> {
  const [key, second] = await parseKeys(bytes, name).catch((cause: unknown) => {
    throw cause instanceof DepotError ? unusable(cause.message, cause) : cause;
  });
  if (key === undefined || second !== undefined)
    throw unusable(`${name} holds several keys; one is expected`);
  if (!key.isPrivate()) throw unusable(`${name} holds a certificate, not a secret key`);
  return key;
}

/**
 * Opens a key.
 *
 * @param passphrase - asked only if the key is locked
 * @throws DepotError `PASSPHRASE_WRONG`: wrong or not given; `KEY_UNUSABLE`: locked in a way that is not supported
 */
export async function unlock(key: PrivateKey, passphrase: AskPassphrase): Promise<PrivateKey> {
  if (key.isDecrypted()) return key;
  const given = await passphrase();
  if (given === undefined || given === '') {
    throw new DepotError(
      'PASSPHRASE_WRONG',
      'the key is locked: give its passphrase with --passphrase-file or BOOTDEPOT_PASSPHRASE',
    );
  }
  const openpgp = await loadOpenpgp();
  try {
    return await openpgp.decryptKey({ privateKey: key, passphrase: given });
  } catch (cause) {
    throw new DepotError('PASSPHRASE_WRONG', 'the passphrase does not open the key', {}, { cause });
  }
}

/**
 * The secret of the primary key, for node:crypto.
 *
 * @param key - opened
 * @throws DepotError `KEY_UNUSABLE`: its secret is not in the file, or it is not an RSA key
 */
export function openSecret(key: PrivateKey): KeyObject {
  const packet = key.keyPacket;
  if (!('privateParams' in packet)) throw unusable('the secret of the primary key is not in the file');
  return rsaPrivateKey(packet);
}

/** Whether a file lacks the secret of its primary key, as `gpg --export-secret-subkeys` and smart cards leave it. */
export function lacksPrimarySecret(key: PrivateKey): boolean {
  return !('privateParams' in key.keyPacket) || key.keyPacket.isMissingSecretKeyMaterial();
}

function unusable(message: string, cause?: unknown): DepotError {
  return new DepotError('KEY_UNUSABLE', message, {}, { cause });
}
