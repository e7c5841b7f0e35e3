/** The certificate of the TLS listeners, issued by the depot's own authority and renewed before it ends. */

import { isIP } from 'node:net';
import { dirname } from 'node:path';
import type { JsonGeneralName, X509Certificate } from '@peculiar/x509';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { makeFolder } from '../disk/folders.js';
import { DepotError } from '../errors.js';
import { type Authority, issue, openAuthority } from './authority.js';
import { makeKey, readKey, readX509, writeKey } from './key-files.js';
import { loadX509 } from './library.js';

/** The files of a certificate and its key. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate, as people ask about it. */
export interface ServerCertificate {
  /** Names and addresses it is valid for. */
  readonly hosts: readonly string[];
  readonly expires: Date;
}

const BITS = 2048;
/** What strict clients allow. */
const DAYS = 397;
/** It is renewed when less than this part of its time is left. */
const RENEW_AT = 1 / 3;
const DNS_NAME =
  /^(?=.{1,253}$)(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/**
 * Issues a certificate with a new key.
 *
 * @param hosts - DNS names (`*.` may lead) and IP addresses
 * @throws DepotError `USAGE`: one is neither; `KEY_MISSING`: there is no CA; `ACCESS_DENIED`, `DISK_FULL`
 */
export async function issueServerCertificate(
  keysDir: string,
  files: CertificateFiles,
  hosts: readonly string[],
  now: Date,
): Promise<ServerCertificate> {
  const names = hosts.map(generalName);
  const authority = await openAuthority(keysDir);
  const key = await makeKey(BITS);
  const certificate = await certificateFor(authority, key, names, now);
  for (const path of [files.key, files.cert]) await makeFolder(dirname(path));
  await writeKey(files.key, key);
  await writeCertificate(files.cert, certificate);
  return describe(certificate);
}

/**
 * Issues a certificate anew with the key and the names it has, if its time is nearly over. One file changes, so that a
 * server that reads both never finds halves that do not fit.
 *
 * @param force - also if its time is not nearly over
 * @returns `undefined` if it is good for longer
 * @throws DepotError `CERTIFICATE_INVALID`: it is of another CA, which has to renew it; `KEY_MISSING`: there is no CA here
 */
export async function renewServerCertificate(
  keysDir: string,
  files: CertificateFiles,
  { force, now }: { readonly force: boolean; readonly now: Date },
): Promise<ServerCertificate | undefined> {
  const authority = await openAuthority(keysDir);
  const old = await readX509(files.cert);
  if (!(await isOurs(authority, old))) {
    throw new DepotError('CERTIFICATE_INVALID', `${files.cert} was not issued by the CA of this depot`, {
      path: files.cert,
    });
  }
  const left = old.notAfter.getTime() - now.getTime();
  if (!force && left > (old.notAfter.getTime() - old.notBefore.getTime()) * RENEW_AT) return undefined;
  const certificate = await certificateFor(authority, await readKey(files.key), await namesIn(old), now);
  await writeCertificate(files.cert, certificate);
  return describe(certificate);
}

async function certificateFor(
  authority: Authority,
  key: Awaited<ReturnType<typeof makeKey>>,
  names: readonly JsonGeneralName[],
  now: Date,
): Promise<X509Certificate> {
  const x509 = await loadX509();
  const { KeyUsageFlags, ExtendedKeyUsage } = x509;
  return issue(authority, {
    ...{ key, now, days: DAYS, name: names[0]?.value ?? '' },
    extensions: [
      new x509.KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([...names]),
    ],
  });
}

function generalName(host: string): JsonGeneralName {
  if (isIP(host) !== 0) return { type: 'ip', value: host };
  if (DNS_NAME.test(host) && !/^[\d.]+$/.test(host)) return { type: 'dns', value: host.toLowerCase() };
  throw new DepotError('USAGE', `expected a host name or an IP address without a port, got ${host}`);
}

async function namesIn(certificate: X509Certificate): Promise<JsonGeneralName[]> {
  const { SubjectAlternativeNameExtension } = await loadX509();
  return certificate.getExtension(SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
}

async function isOurs({ certificate }: Authority, issued: X509Certificate): Promise<boolean> {
  return issued.verify({ publicKey: certificate.publicKey, signatureOnly: true }).catch(() => false);
}

async function writeCertificate(path: string, certificate: X509Certificate): Promise<void> {
  await writeFileAtomically(path, `${certificate.toString('pem')}\n`);
}

async function describe(certificate: X509Certificate): Promise<ServerCertificate> {
  const names = await namesIn(certificate);
  return { hosts: names.map(({ value }) => value), expires: certificate.notAfter };
}
