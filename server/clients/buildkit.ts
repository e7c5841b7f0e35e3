/** BuildKit: `buildkitd.toml`. */
import { caFile } from './ca.js';
import { type ClientFile, clientFile } from './client-file.js';
import type { ClientKind } from './kind.js';
import { merge, parseTomlSettings, type Settings } from './merge.js';
import { mirrorPath } from './mirror-path.js';
import type { Site } from './site.js';
import { toml } from './written.js';

const PATH = '/etc/buildkit/buildkitd.toml';
const CA_PATH = '/etc/buildkit/depot-ca.crt';

const GOES_UPSTREAM =
  'BuildKit asks a registry itself where its mirror has not an image: nothing turns that off.';

/** The kind. */
export const buildkit: ClientKind = {
  name: 'buildkit',
  text: 'buildkitd.toml (joined with --merge)',
  checksSignatures: false,
  merges: PATH,
  make: (site, existing) => ({
    files: [config(site, existing), ...authority(site)],
    notes: [
      ...(existing === undefined
        ? [`${PATH} replaces the one that is there: --merge FILE joins the two.`]
        : []),
      ...(site.options.mirrors.length > 0 && !site.options.fallback ? [GOES_UPSTREAM] : []),
      'docker buildx create takes the file with --buildkitd-config.',
    ],
  }),
};

function config(site: Site, existing: string | undefined): ClientFile {
  const { registry, options } = site;
  const mirrored = options.mirrors.map((host) => [host, { mirrors: [mirrorPath(registry, host)] }]);
  const ours = { registry: Object.fromEntries([...mirrored, [registry, reachedBy(site)]]) };
  return clientFile(site, {
    path: PATH,
    purpose: `How to reach ${registry}, and which registries it stands in for.`,
    after: [['systemctl', 'restart', 'buildkit']],
    write: toml(existing === undefined ? ours : merge(parseTomlSettings(existing, PATH), ours)),
  });
}

function reachedBy({ tls, ca, options }: Site): Settings {
  if (!tls) return { http: true };
  if (options.insecure) return { insecure: true };
  return ca === undefined ? {} : { ca: [CA_PATH] };
}

function authority({ ca, registry }: Site): ClientFile[] {
  if (ca === undefined) return [];
  return [caFile(ca, CA_PATH, `Makes buildkitd trust the certificate of ${registry}.`, [])];
}
