/** Taking over a signing key that was made elsewhere, such as by `gpg --export-secret-keys`. */
import { createHash } from 'node:crypto';
import { DepotError } from '../errors.js';
import { bareKey, certificateOf } from './certificate.js';
import type { NewKey } from './create-key.js';
import { signHashed } from './detached.js';
import { keyWarnings } from './rkt-rules.js';
import { type AskPassphrase, lacksPrimarySecret, openSecret, parseSecret, unlock } from './secret-key.js';
import { refuseUnusable } from './signing-key.js';

/** A key that was read and tried, and is in no folder yet. */
export interface ImportedKey extends NewKey {
  /** What rkt or other clients would not take, a sentence each; none where all is well. */
  readonly warnings: readonly string[];
}

/**
 * Reads a secret key and tries it. Subkeys and certifications by others are left out; the lock stays as it is.
 *
 * @param bytes - a whole file, armored or binary
 * @param name - of the file, for messages
 * @param passphrase - asked only if the key is locked
 * @throws DepotError `KEY_UNUSABLE`: it cannot sign for rkt and others, with the reason; `PASSPHRASE_WRONG`
 */
export async function readImport(
  bytes: Uint8Array,
  name: string,
  passphrase: AskPassphrase,
  now: Date,
): Promise<ImportedKey> {
  const key = await parseSecret(bytes, name);
  const bare = await parseSecret((await bareKey(key)).write(), name);
  const certificate = await certificateOf(bare);
  const { fingerprint } = certificate;
  await refuseUnusable(certificate, now);
  if (lacksPrimarySecret(bare)) {
    const message = `${name} lacks the secret of the primary key, which is the one that rkt trusts (a smart card, or --export-secret-subkeys)`;
    throw new DepotError('KEY_UNUSABLE', message, { fingerprint });
  }
  const secret = openSecret(await unlock(bare, passphrase));
  await signHashed({ fingerprint, certificate, secret, warnings: [] }, createHash('sha512'), 'sha512', now);
  return { certificate, armoredSecret: bare.armor(), warnings: keyWarnings(key, certificate.expires) };
}
