/** Keys that this depot signed with before: what they made is still its own to replace. */
import { readdir } from 'node:fs/promises';
import { DepotError, fileError } from '../errors.js';
import type { Certificate } from './certificate.js';
import { isRetiredName, readCertificate } from './key-folder.js';

const FINGERPRINT = /[0-9A-F]{40}/;

/**
 * The fingerprints of retired signing keys, 40 upper-case hex digits each.
 *
 * @param dir - the folder of keys
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`
 */
export async function retiredFingerprints(dir: string): Promise<ReadonlySet<string>> {
  try {
    const names = await readdir(dir);
    return new Set(names.filter(isRetiredName).flatMap((name) => FINGERPRINT.exec(name)?.[0] ?? []));
  } catch (error) {
    throw fileError(error, dir);
  }
}

/**
 * Their certificates, as far as these are still published.
 *
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`; `CERTIFICATE_INVALID`: a file does not hold what its name says
 */
export async function retiredCertificates(dir: string): Promise<Certificate[]> {
  const certificates: Certificate[] = [];
  for (const fingerprint of await retiredFingerprints(dir)) {
    const certificate = await readCertificate(dir, fingerprint).catch((error: unknown) => {
      if (error instanceof DepotError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    });
    if (certificate !== undefined) certificates.push(certificate);
  }
  return certificates;
}
