/**
 * Whose bundles a depot takes: a folder `trusted` below that of the keys, one certificate a file, into which nothing but a
 * person's decision puts any. What a depot merely publishes is not in it. Its own key, and those before, are trusted anyway.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../disk/folders.js';
import { fileError, isMissing } from '../errors.js';
import type { Certificate } from './certificate.js';
import {
  fingerprintOfName,
  hasSecret,
  makeKeyFolder,
  readCertificate,
  trustedDir,
  writeCertificate,
} from './key-folder.js';
import { retiredFingerprints } from './retired-keys.js';
import { knownCertificate, readSecret } from './signing-key.js';

/**
 * The certificates that vouch for bundles.
 *
 * @param dir - the folder of keys
 * @throws DepotError `CERTIFICATE_INVALID`: a file does not hold what its name says; `ACCESS_DENIED`
 */
export async function trustedCertificates(dir: string): Promise<Certificate[]> {
  const trusted = trustedDir(dir);
  const names = await namesIn(trusted);
  const chosen = names.flatMap((name) => fingerprintOfName(name) ?? []).sort();
  const certificates = await Promise.all(chosen.map((fingerprint) => readCertificate(trusted, fingerprint)));
  return [...certificates, ...(await ownCertificates(dir))];
}

/**
 * Trusts a certificate from now on.
 *
 * @returns the file that says so
 * @throws DepotError `ACCESS_DENIED`, `DISK_FULL`, `IO_FAILED`
 */
export async function trustCertificate(dir: string, certificate: Certificate): Promise<string> {
  await makeKeyFolder(dir);
  await makeFolder(trustedDir(dir), 0o700);
  await writeCertificate(trustedDir(dir), certificate);
  return join(trustedDir(dir), `${certificate.fingerprint}.asc`);
}

async function ownCertificates(dir: string): Promise<Certificate[]> {
  if ((await namesIn(dir)).length === 0) return [];
  const current = (await hasSecret(dir)) ? [await knownCertificate(dir, await readSecret(dir))] : [];
  const retired = await Promise.all(
    [...(await retiredFingerprints(dir))].map((fingerprint) =>
      readCertificate(dir, fingerprint).catch(() => []),
    ),
  );
  return [...current, ...retired.flat()];
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError(error, dir);
  }
}
