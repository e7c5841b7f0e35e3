/** The depot's own certificate authority: a key beside the signing key, and its certificate for clients to trust. */
import { type KeyObject, randomBytes } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import type { Extension, X509Certificate } from '@peculiar/x509';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { DepotError } from '../errors.js';
import { makeKeyFolder } from '../openpgp/key-folder.js';
import { authorityKeyPath, authorityPath } from './authority-files.js';
import { forLibrary, makeKey, readKey, readX509, writeKey } from './key-files.js';
import { loadX509, RSA_SHA256 } from './library.js';

/** An opened authority. */
export interface Authority {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

const BITS = 3072;
const DAY_MS = 24 * 60 * 60 * 1000;
/** A machine whose clock is behind refuses what is from its future. */
const EARLIER_MS = DAY_MS;
const AUTHORITY_DAYS = 3650;

/**
 * Makes the authority of a folder of keys. The key is written first: a crash in between leaves one that nobody trusts yet.
 *
 * @param name - its common name
 * @throws DepotError `KEY_EXISTS`: there is one, and `force` is not set; `ACCESS_DENIED`, `DISK_FULL`
 */
export async function createAuthority(
  keysDir: string,
  name: string,
  { force, now }: { readonly force: boolean; readonly now: Date },
): Promise<Authority> {
  await makeKeyFolder(keysDir);
  const path = authorityPath(keysDir);
  if (!force && ((await exists(path)) || (await exists(authorityKeyPath(keysDir))))) {
    throw new DepotError('KEY_EXISTS', `${keysDir} has a CA: add --force to replace it`, { path });
  }
  const key = await makeKey(BITS);
  const x509 = await loadX509();
  const { signing, verifying } = await forLibrary(key);
  const { KeyUsageFlags } = x509;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(now, AUTHORITY_DAYS),
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    signingAlgorithm: RSA_SHA256,
    keys: { privateKey: signing, publicKey: verifying },
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(verifying),
    ],
  });
  await writeKey(authorityKeyPath(keysDir), key);
  await writeFileAtomically(path, `${certificate.toString('pem')}\n`);
  return { certificate, key };
}

/**
 * Opens the authority of a folder of keys.
 *
 * @throws DepotError `KEY_MISSING`: there is none; `KEY_UNUSABLE`, `CERTIFICATE_INVALID`, `ACCESS_DENIED`
 */
export async function openAuthority(keysDir: string): Promise<Authority> {
  const path = authorityPath(keysDir);
  if (!(await exists(path))) {
    throw new DepotError('KEY_MISSING', `${keysDir} has no CA: make one with bootdepot tls init`, { path });
  }
  return { certificate: await readX509(path), key: await readKey(authorityKeyPath(keysDir)) };
}

/** What a certificate is to say. */
export interface CertificateRequest {
  /** Its common name. */
  readonly name: string;
  /** Whose certificate it is. */
  readonly key: KeyObject;
  readonly days: number;
  readonly now: Date;
  /** Beside those that every certificate here has. */
  readonly extensions: readonly Extension[];
}

/** Issues a certificate. It never outlives the authority. */
export async function issue(authority: Authority, request: CertificateRequest): Promise<X509Certificate> {
  const x509 = await loadX509();
  const { certificate } = authority;
  const { notBefore, notAfter } = validity(request.now, request.days);
  const { signing } = await forLibrary(authority.key);
  const { verifying } = await forLibrary(request.key);
  return x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    notBefore: notBefore > certificate.notBefore ? notBefore : certificate.notBefore,
    notAfter: notAfter < certificate.notAfter ? notAfter : certificate.notAfter,
    subject: [{ CN: [request.name] }],
    issuer: certificate.subjectName,
    signingAlgorithm: RSA_SHA256,
    publicKey: verifying,
    signingKey: signing,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      await x509.AuthorityKeyIdentifierExtension.create(certificate.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(verifying),
      ...request.extensions,
    ],
  });
}

function validity(now: Date, days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return {
    notBefore: new Date(now.getTime() - EARLIER_MS),
    notAfter: new Date(now.getTime() + days * DAY_MS),
  };
}

/** Positive, and of 20 bytes at most (RFC 5280, section 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0);
  return bytes.toString('hex');
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
