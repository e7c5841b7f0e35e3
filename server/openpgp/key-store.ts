/** What is done to the folder of keys: a key made, taken over, or replaced by the next one. */
import { readKeyFile } from './blocks.js';
import type { Certificate } from './certificate.js';
import { generateKey, type KeyRequest } from './create-key.js';
import { readImport } from './import-key.js';
import {
  makeKeyFolder,
  permissionWarnings,
  refuseExistingSecret,
  retireSecret,
  writeCertificate,
  writeSecret,
} from './key-folder.js';
import type { AskPassphrase } from './secret-key.js';
import { knownCertificate, readSecret, refuseUnusable } from './signing-key.js';

/** How a key comes into a folder. */
export interface StoreOptions {
  /** Whether a signing key that is there may be overwritten. */
  readonly force: boolean;
  readonly now: Date;
}

/** A key that is in its folder now. */
export interface StoredKey {
  readonly certificate: Certificate;
  /** What the operator should know or change, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Makes the signing key of a folder.
 *
 * @throws DepotError `KEY_EXISTS`: there is one, and `force` is not set; `USAGE`: dates that make no sense;
 *   `DISK_FULL`, `ACCESS_DENIED`
 */
export async function createSigningKey(
  dir: string,
  request: KeyRequest,
  { force, now }: StoreOptions,
): Promise<StoredKey> {
  await makeKeyFolder(dir);
  if (!force) await refuseExistingSecret(dir);
  const { certificate, armoredSecret } = await generateKey(request, now);
  await writeSecret(dir, armoredSecret, force);
  await writeCertificate(dir, certificate);
  return { certificate, warnings: await permissionWarnings(dir) };
}

/**
 * Takes over a secret key as the signing key of a folder.
 *
 * @param file - armored or binary
 * @param passphrase - asked only if the key is locked
 * @throws DepotError `KEY_EXISTS`; `KEY_UNUSABLE`: with the reason why it cannot sign; `PASSPHRASE_WRONG`; `NOT_FOUND`
 */
export async function importSigningKey(
  dir: string,
  file: string,
  { force, now, passphrase }: StoreOptions & { readonly passphrase: AskPassphrase },
): Promise<StoredKey> {
  await makeKeyFolder(dir);
  if (!force) await refuseExistingSecret(dir);
  const bytes = await readKeyFile(file);
  const { certificate, armoredSecret, warnings } = await readImport(bytes, file, passphrase, now);
  await refuseUnusable(await knownCertificate(dir, certificate.key), now);
  await writeSecret(dir, armoredSecret, force);
  await writeCertificate(dir, certificate);
  return { certificate, warnings: [...warnings, ...(await permissionWarnings(dir))] };
}

/** A signing key that took the place of another. */
export interface RotatedKey extends StoredKey {
  /** The certificate before; it stays published, so signatures made with it still count. */
  readonly previous: Certificate;
  /** The file that keeps the secret before. */
  readonly retiredPath: string;
}

/**
 * Replaces the signing key of a folder by a new one. A crash at any instant leaves the old key or the new.
 *
 * @param describe - says what the new key is to be, from the old certificate
 * @throws DepotError `KEY_MISSING`: there is none to replace; `USAGE`, `DISK_FULL`, `ACCESS_DENIED`
 */
export async function rotateSigningKey(
  dir: string,
  describe: (previous: Certificate) => KeyRequest,
  now: Date,
): Promise<RotatedKey> {
  const previous = await knownCertificate(dir, await readSecret(dir));
  await writeCertificate(dir, previous);
  const { certificate, armoredSecret } = await generateKey(describe(previous), now);
  const retiredPath = await retireSecret(dir, previous.fingerprint);
  await writeSecret(dir, armoredSecret, true);
  await writeCertificate(dir, certificate);
  return { certificate, warnings: await permissionWarnings(dir), previous, retiredPath };
}
