/** The depot's authority: for the whole system, and for one program that trusts it for one registry. */
import { DepotError } from '../errors.js';
import type { CaCertificate } from './ca-certificate.js';
import type { ClientFile, ProgramCall } from './client-file.js';
import type { ClientKind } from './kind.js';
import type { ClientOptions } from './options.js';
import type { Site } from './site.js';

/** Where a system keeps authorities that were added to it, and what makes them count. */
const SYSTEMS: Readonly<Record<ClientOptions['system'], { path: string; after: ProgramCall }>> = {
  debian: { path: '/usr/local/share/ca-certificates/depot.crt', after: ['update-ca-certificates'] },
  fedora: { path: '/etc/pki/ca-trust/source/anchors/depot.crt', after: ['update-ca-trust'] },
  flatcar: { path: '/etc/ssl/certs/depot.pem', after: ['update-ca-certificates'] },
};

/** The kind. */
export const ca: ClientKind = {
  name: 'ca',
  text: "the depot's CA for Debian, Ubuntu, Alpine (--system fedora, flatcar)",
  make(site) {
    if (site.ca === undefined) {
      const message =
        'there is no authority: the depot needs https, and its ca.crt in the folder of keys, or --ca';
      throw new DepotError('KEY_MISSING', message);
    }
    const { path, after } = SYSTEMS[site.options.system];
    const purpose = `Makes the system trust certificates that the authority of ${site.depot} issued.`;
    return {
      files: [caFile(site.ca, path, purpose, [after])],
      notes: ['Restart container runtimes afterwards: they read the authorities once.'],
    };
  },
};

/** The authority for one program, in the folder of the registry below its `certs.d`; nothing where there is none. */
export function runtimeCa(
  { ca: authority, registry }: Site,
  certsDir: string,
  program: string,
): ClientFile[] {
  if (authority === undefined) return [];
  const purpose = `Makes ${program} trust the certificate of ${registry}.`;
  return [caFile(authority, `${certsDir}/${registry}/ca.crt`, purpose, [])];
}

/** PEM takes no comment that every reader passes over, so it stands alone. */
export function caFile(
  authority: CaCertificate,
  path: string,
  purpose: string,
  after: readonly ProgramCall[],
): ClientFile {
  const { pem, fingerprint } = authority;
  return { path, mode: 0o644, content: pem, purpose, after, trusted: { fingerprint } };
}
