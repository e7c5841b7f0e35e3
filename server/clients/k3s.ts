/** k3s and RKE2: `registries.yaml`, and the end of the way around it. */

import { caFile } from './ca.js';
import { type ClientFile, clientFile, type ProgramCall } from './client-file.js';
import type { ClientKind } from './kind.js';
import { mirrorPath } from './mirror-path.js';
import { registryUrl, type Site } from './site.js';
import { yaml } from './written.js';

const CA_PATH = '/etc/ssl/depot-ca.crt';

function kindFor(name: string): ClientKind {
  const dir = `/etc/rancher/${name}`;
  // A node has one of two services, whose names begin alike.
  const after: readonly ProgramCall[] = [['systemctl', 'try-restart', `${name}*.service`]];
  return {
    name,
    text: `registries.yaml of ${name}, on each node`,
    checksSignatures: false,
    make: (site) => ({
      files: [registries(site, dir, after), ...onlyMirrors(site, dir, after), ...authority(site, name)],
      notes: [],
    }),
  };
}

/** The kinds. */
export const k3s = kindFor('k3s');
export const rke2 = kindFor('rke2');

function registries(site: Site, dir: string, after: readonly ProgramCall[]): ClientFile {
  const endpoint = [registryUrl(site)];
  const mirrored = site.options.mirrors.map((host) => [
    host,
    {
      endpoint,
      rewrite: { '^(.*)$': `${mirrorPath(site.registry, host).slice(site.registry.length + 1)}/$1` },
    },
  ]);
  const tls = tlsOf(site);
  return clientFile(site, {
    path: `${dir}/registries.yaml`,
    purpose: `How to reach ${site.registry}, and which registries it stands in for.`,
    after,
    write: yaml({
      mirrors: Object.fromEntries([[site.registry, { endpoint }], ...mirrored]),
      ...(tls && { configs: { [site.registry]: { tls } } }),
    }),
  });
}

/** Nothing for plain HTTP: there is nothing to verify. */
function tlsOf({ tls, ca, options }: Site): object | undefined {
  if (!tls) return undefined;
  if (options.insecure) return { insecure_skip_verify: true };
  return ca && { ca_file: CA_PATH };
}

function onlyMirrors(site: Site, dir: string, after: readonly ProgramCall[]): ClientFile[] {
  if (site.options.fallback || site.options.mirrors.length === 0) return [];
  return [
    clientFile(site, {
      path: `${dir}/config.yaml.d/50-depot.yaml`,
      purpose: 'Never ask a registry that has a mirror (versions since 2024 know this).',
      after,
      write: yaml({ 'disable-default-registry-endpoint': true }),
    }),
  ];
}

function authority({ ca, registry }: Site, name: string): ClientFile[] {
  if (ca === undefined) return [];
  return [caFile(ca, CA_PATH, `Makes ${name} trust the certificate of ${registry}.`, [])];
}
