/** Keyrings: the certificates that signatures are checked against. */
import { stat } from 'node:fs/promises';
import { fileError } from '../errors.js';
import { readKeyFile } from './blocks.js';
import { type Certificate, parseCertificates } from './certificate.js';
import { listFingerprints, readCertificate } from './key-folder.js';

/**
 * Reads a keyring.
 *
 * @param path - a file of certificates, armored or binary, or the folder of keys, of which every published
 *   certificate counts
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`; `CERTIFICATE_INVALID`: a file that holds something else
 */
export async function readKeyring(path: string): Promise<Certificate[]> {
  const info = await stat(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  if (!info.isDirectory()) return parseCertificates(await readKeyFile(path), path);
  const fingerprints = await listFingerprints(path);
  return Promise.all(fingerprints.map((fingerprint) => readCertificate(path, fingerprint)));
}
