/** Publishing certificates that come from elsewhere. */
import { DepotError } from '../errors.js';
import { bareKey, type Certificate, certificateOf } from './certificate.js';
import { hasSecret, makeKeyFolder, readCertificate, writeCertificate } from './key-folder.js';
import { readSecret } from './signing-key.js';

/**
 * Publishes a certificate. What is known of the key already stays known: a certificate from before its revocation does not take
 * that away. The certificate of the depot's own key is nobody else's to change.
 *
 * @param dir - the folder of keys
 * @returns whether anything changed
 * @throws DepotError `CERTIFICATE_INVALID`: what is published under this fingerprint cannot be read; `ACCESS_DENIED`, `DISK_FULL`
 */
export async function publishCertificate(dir: string, certificate: Certificate): Promise<boolean> {
  await makeKeyFolder(dir);
  const { fingerprint } = certificate;
  if ((await hasSecret(dir)) && (await ownFingerprint(dir)) === fingerprint) return false;
  const known = await readCertificate(dir, fingerprint).catch((error: unknown) => {
    if (error instanceof DepotError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  });
  const merged = known === undefined ? certificate.key : await known.key.update(certificate.key);
  const next = await certificateOf(await bareKey(merged));
  if (known?.armored === next.armored) return false;
  await writeCertificate(dir, next);
  return true;
}

async function ownFingerprint(dir: string): Promise<string> {
  return (await readSecret(dir)).getFingerprint().toUpperCase();
}
