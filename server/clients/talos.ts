/** Talos Linux: a patch of the machine configuration, or documents of their own since 1.12. */
import { DepotError } from '../errors.js';
import { type ClientFile, clientFile } from './client-file.js';
import type { ClientKind } from './kind.js';
import { mirrorUrl } from './mirror-path.js';
import { registryUrl, type Site } from './site.js';
import { yaml } from './written.js';

/** The kind. */
export const talos: ClientKind = {
  name: 'talos',
  text: 'patch of the machine configuration of Talos (--form documents: 1.12 and newer)',
  checksSignatures: false,
  make: (site) => ({ files: [patch(site)], notes: [] }),
};

function patch(site: Site): ClientFile {
  const { form = 'patch' } = site.options;
  if (form !== 'patch' && form !== 'documents') {
    throw new DepotError('USAGE', `form: talos has patch and documents, not ${form}`);
  }
  const documents = form === 'patch' ? [machinePatch(site)] : mirrorDocuments(site);
  return clientFile(site, {
    path: 'talos-depot.yaml',
    purpose: `Makes machines pull from ${site.registry}: talosctl patch machineconfig --patch @talos-depot.yaml`,
    after: [],
    write: yaml(...documents),
  });
}

function machinePatch(site: Site): object {
  const { registry, options } = site;
  const mirrored = options.mirrors.map((host) => [
    host,
    {
      endpoints: [mirrorUrl(registryUrl(site), host)],
      overridePath: true,
      ...(!options.fallback && { skipFallback: true }),
    },
  ]);
  const tls = tlsOf(site, (pem) => Buffer.from(pem).toString('base64'));
  return {
    machine: {
      registries: {
        mirrors: Object.fromEntries([[registry, { endpoints: [registryUrl(site)] }], ...mirrored]),
        ...(tls && { config: { [registry]: { tls } } }),
      },
    },
  };
}

function mirrorDocuments(site: Site): object[] {
  const { registry, options } = site;
  const document = { apiVersion: 'v1alpha1', kind: 'RegistryMirrorConfig' };
  const mirrored = options.mirrors.map((name) => ({
    ...document,
    name,
    endpoints: [{ url: mirrorUrl(registryUrl(site), name), overridePath: true }],
    ...(!options.fallback && { skipFallback: true }),
  }));
  const tls = tlsOf(site, (pem) => pem);
  return [
    { ...document, name: registry, endpoints: [{ url: registryUrl(site) }] },
    ...mirrored,
    ...(tls === undefined
      ? []
      : [{ apiVersion: 'v1alpha1', kind: 'RegistryTLSConfig', name: registry, ...tls }]),
  ];
}

function tlsOf({ tls, ca, options }: Site, write: (pem: string) => string): object | undefined {
  if (!tls) return undefined;
  if (options.insecure) return { insecureSkipVerify: true };
  return ca && { ca: write(ca.pem) };
}
