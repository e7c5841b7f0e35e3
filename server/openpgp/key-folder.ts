/**
 * The folder of keys: one secret file, one file for each published certificate, named by its fingerprint, and a folder of those
 * whose bundles are taken.
 * Everything else in it (retired secrets, a README) is of no concern to the depot and is never published.
 */
import { chmod, link, lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createPendingFile,
  removeStaleTemporaries,
  syncFolder,
  writeFileAtomically,
} from '../disk/atomic-file.js';
import { makeFolder } from '../disk/folders.js';
import { DepotError, fileError, systemCode } from '../errors.js';
import { readKeyFile } from './blocks.js';
import { type Certificate, parseCertificates } from './certificate.js';

/** The file of the current secret. */
export const SECRET_NAME = 'signing-key.asc';
const CERTIFICATE_NAME = /^([0-9A-F]{40})\.asc$/;
const TRUSTED_NAME = 'trusted';
const RETIRED_NAME = /^retired-[0-9A-F]{40}\.asc$/;

/** Where the secret of the current signing key lies. */
export function secretPath(dir: string): string {
  return join(dir, SECRET_NAME);
}

/** Where a certificate is published. */
export function certificatePath(dir: string, fingerprint: string): string {
  return join(dir, `${fingerprint}.asc`);
}

/** The folder of certificates whose bundles are taken. */
export function trustedDir(dir: string): string {
  return join(dir, TRUSTED_NAME);
}

function retiredPath(dir: string, fingerprint: string): string {
  return join(dir, `retired-${fingerprint}.asc`);
}

/** The fingerprint that a certificate file is named by; `undefined` for every other name. */
export function fingerprintOfName(name: string): string | undefined {
  return CERTIFICATE_NAME.exec(name)?.[1];
}

/** Whether {@link retireSecret} made a file of this name. */
export function isRetiredName(name: string): boolean {
  return RETIRED_NAME.test(name);
}

/**
 * Reads the certificate file of one fingerprint.
 *
 * @throws DepotError `NOT_FOUND`; `CERTIFICATE_INVALID`: it holds a secret key, several certificates, or another one
 */
export async function readCertificate(dir: string, fingerprint: string): Promise<Certificate> {
  const path = certificatePath(dir, fingerprint);
  const [certificate, second] = await parseCertificates(await readKeyFile(path), path);
  if (certificate === undefined || second !== undefined || certificate.fingerprint !== fingerprint) {
    const message = `${path} does not hold the one certificate that its name says`;
    throw new DepotError('CERTIFICATE_INVALID', message, { path });
  }
  return certificate;
}

/** Publishes a certificate; an older file of the same key is replaced. */
export async function writeCertificate(dir: string, certificate: Certificate): Promise<void> {
  await writeFileAtomically(certificatePath(dir, certificate.fingerprint), certificate.armored);
}

/**
 * Writes the secret file, readable by its owner alone.
 *
 * @param armored - the secret key, one armored block
 * @param replace - whether a secret that is there may be overwritten
 * @throws DepotError `KEY_EXISTS`: there is one and it may not; nothing was changed then
 */
export async function writeSecret(dir: string, armored: string, replace: boolean): Promise<void> {
  const path = secretPath(dir);
  const pending = await createPendingFile(path, { mode: 0o600 });
  try {
    await pending.handle.writeFile(armored);
    if (replace) {
      await pending.commit();
      return;
    }
    await pending.handle.sync();
    // Unlike a rename, a link never replaces a file that someone else made meanwhile.
    await link(pending.temporaryPath, path);
    await syncFolder(dir);
  } catch (error) {
    throw systemCode(error) === 'EEXIST' ? keyExists(path) : fileError(error, path);
  } finally {
    await pending.discard();
  }
}

/**
 * @throws DepotError `KEY_EXISTS`: the folder has a signing key
 */
export async function refuseExistingSecret(dir: string): Promise<void> {
  if (await hasSecret(dir)) throw keyExists(secretPath(dir));
}

/** Whether the folder has a signing key, usable or not. */
export async function hasSecret(dir: string): Promise<boolean> {
  try {
    await lstat(secretPath(dir));
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw fileError(error, secretPath(dir));
  }
}

/** Keeps a copy of the secret aside, readable by its owner alone; it never signs again from there. */
export async function retireSecret(dir: string, fingerprint: string): Promise<string> {
  const path = retiredPath(dir, fingerprint);
  await writeFileAtomically(path, await readKeyFile(secretPath(dir)), { mode: 0o600 });
  return path;
}

function keyExists(path: string): DepotError {
  return new DepotError('KEY_EXISTS', `${path} exists: add --force to overwrite it, or use key rotate`, {
    path,
  });
}

/**
 * Makes the folder, closed to everyone else. One that exists is closed too if it holds nothing but keys; a folder
 * that is used for other things as well keeps its mode.
 */
export async function makeKeyFolder(dir: string): Promise<void> {
  try {
    await makeFolder(dir, 0o700);
    await removeStaleTemporaries(dir);
    const { mode } = await stat(dir);
    if ((mode & 0o077) !== 0 && (await holdsOnlyKeys(dir))) await chmod(dir, 0o700);
  } catch (error) {
    throw fileError(error, dir);
  }
}

const OF_A_KEY_FOLDER = /\.(?:asc|gpg|md|crt|pem)$|^\.(?:git|bootdepot-)/;

async function holdsOnlyKeys(dir: string): Promise<boolean> {
  const entries = await readdir(dir, { withFileTypes: true });
  return entries.every((entry) =>
    entry.isFile() ? OF_A_KEY_FOLDER.test(entry.name) : entry.isDirectory() && entry.name === TRUSTED_NAME,
  );
}

/** What is wrong with the permissions of the secret: a sentence for each, none where all is well. */
export async function permissionWarnings(dir: string): Promise<string[]> {
  const warnings: string[] = [];
  const [folder, secret] = await Promise.all([stat(dir), stat(secretPath(dir))]);
  if ((secret.mode & 0o077) !== 0) warnings.push(tooOpen(secretPath(dir), secret.mode, '600'));
  if ((folder.mode & 0o077) !== 0) warnings.push(tooOpen(dir, folder.mode, '700'));
  return warnings;
}

function tooOpen(path: string, mode: number, wanted: string): string {
  return `${path} is open to other users (mode ${(mode & 0o777).toString(8)}): run chmod ${wanted} ${path}`;
}
