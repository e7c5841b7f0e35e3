/** containerd 1.7 and 2, and nerdctl, which reads the same folders: a `hosts.toml` for each registry. */
import { DepotError } from '../errors.js';
import { runtimeCa } from './ca.js';
import { type ClientFile, clientFile } from './client-file.js';
import type { ClientKind } from './kind.js';
import { isSettings, merge, parseTomlSettings, type Settings } from './merge.js';
import { mirrorUrl } from './mirror-path.js';
import { registryUrl, type Site } from './site.js';
import { toml } from './written.js';

const CERTS_DIR = '/etc/containerd/certs.d';
const CONFIG = '/etc/containerd/config.toml';
const HUB = 'docker.io';
const HUB_SERVER = 'https://registry-1.docker.io';

/** The kind. */
export const containerd: ClientKind = {
  name: 'containerd',
  text: 'certs.d/HOST/hosts.toml of containerd 1.7 and 2; with --merge config.toml also its config_path',
  checksSignatures: false,
  merges: CONFIG,
  make: (site, existing) => ({
    files: [...hostsFiles(site), ...configFile(site, existing)],
    notes: [
      ...(existing === undefined ? CONFIG_NOTES : []),
      'containerd logs a hosts.toml that it cannot read, and goes to the registry itself: look into its log once.',
    ],
  }),
};

const CONFIG_NOTES = [
  `Once, and then systemctl restart containerd: config_path = "${CERTS_DIR}" in ${CONFIG}, below ` +
    '[plugins."io.containerd.grpc.v1.cri".registry] where it has version = 2, ' +
    '[plugins."io.containerd.cri.v1.images".registry] where it has version = 3. --merge FILE does it.',
];

/** The kind. */
export const nerdctl: ClientKind = {
  name: 'nerdctl',
  text: 'the same folders for nerdctl, and nerdctl.toml that names them',
  checksSignatures: false,
  make: (site) => ({
    files: [
      ...hostsFiles(site),
      clientFile(site, {
        path: '/etc/nerdctl/nerdctl.toml',
        purpose: 'Tells nerdctl where registries are described.',
        after: [],
        write: toml({ hosts_dir: [CERTS_DIR] }),
      }),
    ],
    notes: ['A user without root has $HOME/.config/nerdctl/nerdctl.toml in the place of the file in /etc.'],
  }),
};

function hostsFiles(site: Site): ClientFile[] {
  const url = registryUrl(site);
  const ours = hostsFile(site, site.registry, `How to reach ${site.registry}.`, {
    server: url,
    ...trustIn(site),
    host: { [url]: { capabilities: ['pull', 'resolve', 'push'], ...trustIn(site) } },
  });
  const mirrored = site.options.mirrors.map((host) => {
    const mirror = mirrorUrl(url, host);
    const upstream = host === HUB ? HUB_SERVER : `https://${host}`;
    const purpose = `Makes ${site.registry} stand in for ${host}.`;
    return hostsFile(site, host, purpose, {
      // What stands here is asked last.
      ...(site.options.fallback
        ? { server: upstream }
        : { server: mirror, override_path: true, ...trustIn(site) }),
      host: { [mirror]: { capabilities: ['pull', 'resolve'], override_path: true, ...trustIn(site) } },
    });
  });
  return [ours, ...mirrored, ...runtimeCa(site, CERTS_DIR, 'containerd')];
}

function hostsFile(site: Site, folder: string, purpose: string, settings: Settings): ClientFile {
  return clientFile(site, {
    path: `${CERTS_DIR}/${folder}/hosts.toml`,
    purpose: `${purpose} Read at each pull.`,
    after: [],
    write: toml(settings),
  });
}

/** Only for TLS: newer versions would try it first where they read of certificates. */
function trustIn({ tls, ca, options, registry }: Site): Settings {
  if (!tls) return {};
  if (options.insecure) return { skip_verify: true };
  return ca === undefined ? {} : { ca: `${CERTS_DIR}/${registry}/ca.crt` };
}

function configFile(site: Site, existing: string | undefined): ClientFile[] {
  if (existing === undefined) return [];
  return [
    clientFile(site, {
      path: CONFIG,
      purpose: `Tells containerd to look for registries below ${CERTS_DIR}.`,
      after: [['systemctl', 'restart', 'containerd']],
      write: toml(withConfigPath(parseTomlSettings(existing, CONFIG))),
    }),
  ];
}

/** containerd 2 reads version 2 as well, so that is what a machine without a configuration gets. */
function withConfigPath(existing: Settings): Settings {
  const { version = 2 } = existing;
  const plugin = version === 3 ? 'io.containerd.cri.v1.images' : 'io.containerd.grpc.v1.cri';
  const ours = { version, plugins: { [plugin]: { registry: { config_path: CERTS_DIR } } } };
  refuseOldForm(existing, plugin);
  return merge(existing, ours);
}

/** containerd does not start with mirrors of the form before beside `config_path`. */
function refuseOldForm(existing: Settings, plugin: string): void {
  const registry = tableAt(existing, 'plugins', plugin, 'registry');
  const hasMirrors = Object.keys(tableAt(registry, 'mirrors')).length > 0;
  const hasTls = Object.values(tableAt(registry, 'configs')).some(
    (config) => isSettings(config) && 'tls' in config,
  );
  if (!hasMirrors && !hasTls) return;
  const message = `merge: ${CONFIG} has registry.mirrors or registry.configs.*.tls, which containerd refuses beside config_path: take them out first`;
  throw new DepotError('USAGE', message);
}

function tableAt(settings: Settings, ...names: readonly string[]): Settings {
  let table: unknown = settings;
  for (const name of names) table = isSettings(table) ? table[name] : undefined;
  return isSettings(table) ? table : {};
}
