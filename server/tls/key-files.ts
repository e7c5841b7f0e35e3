/** Keys and certificates as PEM files. */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { X509Certificate } from '@peculiar/x509';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { DepotError, fileError } from '../errors.js';
import { loadX509, RSA_SHA256 } from './library.js';

const makeKeyPair = promisify(generateKeyPair);

/** Makes an RSA key. */
export async function makeKey(bits: number): Promise<KeyObject> {
  return (await makeKeyPair('rsa', { modulusLength: bits })).privateKey;
}

/** Writes a key without a passphrase, readable by its owner alone. */
export async function writeKey(path: string, key: KeyObject): Promise<void> {
  await writeFileAtomically(path, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
}

/**
 * Reads a key.
 *
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`; `KEY_UNUSABLE`: no RSA key in PEM without a passphrase
 */
export async function readKey(path: string): Promise<KeyObject> {
  const pem = await readFile(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'rsa') return key;
  } catch (cause) {
    throw new DepotError(
      'KEY_UNUSABLE',
      `${path} is no key in PEM without a passphrase`,
      { path },
      { cause },
    );
  }
  throw new DepotError('KEY_UNUSABLE', `${path} is no RSA key`, { path });
}

/**
 * Reads the first certificate of a file.
 *
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`; `CERTIFICATE_INVALID`: there is none that can be read
 */
export async function readX509(path: string): Promise<X509Certificate> {
  const text = await readFile(path, 'latin1').catch((error: unknown) => {
    throw fileError(error, path);
  });
  const [pem] = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(text) ?? [];
  try {
    const { X509Certificate } = await loadX509();
    if (pem !== undefined) return new X509Certificate(pem);
  } catch (cause) {
    throw new DepotError('CERTIFICATE_INVALID', `${path} holds a broken certificate`, { path }, { cause });
  }
  throw new DepotError('CERTIFICATE_INVALID', `${path} holds no certificate in PEM`, { path });
}

/** The two halves of a key, as the library wants them. */
export async function forLibrary(
  key: KeyObject,
): Promise<{ signing: webcrypto.CryptoKey; verifying: webcrypto.CryptoKey }> {
  const { subtle } = webcrypto;
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return {
    signing: await subtle.importKey('pkcs8', pkcs8, RSA_SHA256, false, ['sign']),
    verifying: await subtle.importKey('spki', spki, RSA_SHA256, true, ['verify']),
  };
}
