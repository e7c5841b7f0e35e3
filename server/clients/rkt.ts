/** rkt: whom it trusts, and where its images are (rkt, Documentation/configuration.md). */
import { rktPath } from '../openpgp/rkt-tree.js';
import { type ClientFile, clientFile } from './client-file.js';
import type { ClientKind } from './kind.js';
import { depotHost, keysOf, type Site } from './site.js';
import { json } from './written.js';

/** The kind. */
export const rkt: ClientKind = {
  name: 'rkt',
  text: 'trusted keys of rkt (--prefix), paths.d (--rkt-data), and auth.d (--user)',
  make: (site) => ({
    files: [...trustedKeys(site), ...paths(site), ...logins(site)],
    notes: [
      'Take --insecure-options=image out of the units: the signatures are checked from now on.',
      ...(site.login !== undefined && !site.tls ? ['rkt logs in over https only.'] : []),
    ],
  }),
};

/** The folder takes nothing but keys, each alone and named by its fingerprint: no comment, no other file. */
function trustedKeys(site: Site): ClientFile[] {
  const { prefix } = site.options;
  return keysOf(site).map(({ fingerprint, armored }) => ({
    path: `/etc/rkt/trustedkeys/${rktPath(fingerprint, prefix)}`,
    mode: 0o644,
    content: armored,
    purpose: `Makes rkt trust what the depot signs${prefix === undefined ? '' : `, as far as its name begins with ${prefix}`}.`,
    after: [],
    trusted: { fingerprint },
  }));
}

function paths(site: Site): ClientFile[] {
  const { rktData } = site.options;
  if (rktData === undefined) return [];
  return [
    clientFile(site, {
      path: '/etc/rkt/paths.d/depot.json',
      purpose: 'Where rkt keeps images and pods; no other file of paths.d may say it, too.',
      after: [],
      write: json({ rktKind: 'paths', rktVersion: 'v1', data: rktData }),
    }),
  ];
}

/** For ACIs, and for images that rkt fetches by `docker://`. */
function logins(site: Site): ClientFile[] {
  const { login, registry } = site;
  if (login === undefined) return [];
  const credentials = { user: login.user, password: login.password };
  const settings = [
    { rktKind: 'auth', rktVersion: 'v1', domains: [depotHost(site)], type: 'basic', credentials },
    { rktKind: 'dockerAuth', rktVersion: 'v1', registries: [registry], credentials },
  ];
  return settings.map((value) =>
    clientFile(site, {
      path: `/etc/rkt/auth.d/depot-${value.rktKind}.json`,
      mode: 0o600,
      purpose: 'How rkt logs in to the depot.',
      after: [],
      write: json(value),
    }),
  );
}
