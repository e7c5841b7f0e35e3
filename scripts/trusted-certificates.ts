/** The certificates that checking commands trust. */
import { type Certificate, DepotError, readKeyring } from '../server/index.js';
import { say } from './run.js';

/**
 * Reads a keyring, and says which files of a folder are none.
 *
 * @param path - a file of certificates, or the folder of keys
 * @throws DepotError `KEY_MISSING`: it holds none; `NOT_FOUND`, `ACCESS_DENIED`, `CERTIFICATE_INVALID`
 */
export async function trustedCertificates(path: string): Promise<readonly Certificate[]> {
  const keyring = await readKeyring(path, (file, reason) => say(`warning: ${file} is not used: ${reason}`));
  if (keyring.length > 0) return keyring;
  throw new DepotError(
    'KEY_MISSING',
    `${path} holds no certificate to check with: name a keyring with --keyring, or make a key with bootdepot key create`,
    { path },
  );
}
