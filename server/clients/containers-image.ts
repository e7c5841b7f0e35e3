/** podman, skopeo, buildah and CRI-O: they share a library, and so their files below `/etc/containers`. */
import type { HostPort } from './address.js';
import { runtimeCa } from './ca.js';
import { type ClientFile, clientFile, type ProgramCall } from './client-file.js';
import type { ClientKind } from './kind.js';
import { merge, parseJsonSettings } from './merge.js';
import { mirrorPath } from './mirror-path.js';
import { keysOf, type Site } from './site.js';
import { json, toml, yaml } from './written.js';

const POLICY = '/etc/containers/policy.json';

/** What the kinds differ in. */
interface Program {
  readonly name: string;
  readonly text: string;
  readonly after: readonly ProgramCall[];
}

function kindFor({ name, text, after }: Program): ClientKind {
  return {
    name,
    text,
    checksSignatures: true,
    merges: POLICY,
    make: (site, existing) => ({
      files: [
        ...registriesConf(site, after),
        ...runtimeCa(site, '/etc/containers/certs.d', name),
        ...(site.options.requireSignatures ? signatureFiles(site, after, existing) : []),
      ],
      notes: notesFor(site, existing),
    }),
  };
}

const RESTART_CRIO: ProgramCall = ['systemctl', 'restart', 'crio'];

/** The kinds. */
export const crio = kindFor({
  name: 'crio',
  text: 'registries, mirrors, policy.json and keys of CRI-O',
  after: [RESTART_CRIO],
});
export const podman = kindFor({
  name: 'podman',
  text: 'registries, mirrors, policy.json and keys of podman and buildah',
  after: [],
});
export const skopeo = kindFor({ name: 'skopeo', text: 'the same files, for skopeo', after: [] });

function registriesConf(site: Site, after: readonly ProgramCall[]): ClientFile[] {
  const { registry, insecure, options } = site;
  if (!insecure && options.mirrors.length === 0) return [];
  const mirrored = options.mirrors.map((host) => ({
    prefix: host,
    location: host,
    ...(!options.fallback && { blocked: true }),
    mirror: [{ location: mirrorPath(registry, host), ...(insecure && { insecure }) }],
  }));
  const own = insecure ? [{ location: registry, insecure }] : [];
  return [
    clientFile(site, {
      path: '/etc/containers/registries.conf.d/50-depot.conf',
      purpose: `How to reach ${registry}, and which registries it stands in for.`,
      after,
      write: toml({ registry: [...mirrored, ...own] }),
    }),
  ];
}

function signatureFiles(
  site: Site,
  after: readonly ProgramCall[],
  existing: string | undefined,
): ClientFile[] {
  const keys = keyFiles(site);
  const lookaside = `${site.depot}/lookaside`;
  return [
    ...keys,
    clientFile(site, {
      path: '/etc/containers/registries.d/depot.yaml',
      purpose: `Where the signatures of images in ${site.registry} are; sigstore is the key of versions before 2022.`,
      after,
      write: yaml({ docker: { [site.registry]: { lookaside, sigstore: lookaside } } }),
    }),
    clientFile(site, {
      path: POLICY,
      purpose: 'Refuses images that are not signed by the depot, wherever they come from.',
      after,
      write: json(policyFor(site, keys, existing)),
    }),
  ];
}

function keyFiles(site: Site): ClientFile[] {
  return keysOf(site).map(({ fingerprint, armored }) => ({
    path: `/etc/containers/depot-${fingerprint}.asc`,
    mode: 0o644,
    content: armored.replaceAll('\r\n', '\n').replace(/\n*$/, '\n'),
    purpose: 'The certificate that images are signed with.',
    after: [],
    trusted: { fingerprint },
  }));
}

/** Transports that hold what is on this machine already: `podman push` reads its own store through the policy, too. */
const LOCAL = [
  'containers-storage',
  'dir',
  'docker-archive',
  'docker-daemon',
  'oci',
  'oci-archive',
  'tarball',
];

function policyFor(site: Site, keys: readonly ClientFile[], existing: string | undefined): object {
  const { registry, options } = site;
  const ours = {
    transports: {
      docker: Object.fromEntries([
        [registry, [signedBy(keys)]],
        ...options.mirrors.map((host) => [host, [signedBy(keys, identityOf(site, host))]]),
      ]),
    },
  };
  if (existing !== undefined) return merge(parseJsonSettings(existing, POLICY), ours);
  const anything = { '': [{ type: 'insecureAcceptAnything' }] };
  const local = Object.fromEntries(LOCAL.map((transport) => [transport, anything]));
  return { default: [{ type: 'reject' }], transports: { ...ours.transports, ...local } };
}

function signedBy(keys: readonly ClientFile[], signedIdentity?: object): object {
  const paths = keys.map(({ path }) => path);
  // Versions before 2022 know only the first form.
  const where = paths.length === 1 ? { keyPath: paths[0] } : { keyPaths: paths };
  return { type: 'signedBy', keyType: 'GPGKeys', ...where, ...(signedIdentity && { signedIdentity }) };
}

/** Signatures bear the depot's name of an image; what was typed is the upstream's. */
function identityOf({ registry, options }: Site, host: HostPort): object | undefined {
  if (options.identity === 'upstream') return undefined;
  return { type: 'remapIdentity', prefix: host, signedPrefix: mirrorPath(registry, host) };
}

function notesFor({ options }: Site, existing: string | undefined): string[] {
  if (!options.requireSignatures) return [];
  const replaces = `${POLICY} replaces the one that is there: --merge FILE joins the two, and keeps its default.`;
  return [
    ...(existing === undefined
      ? [replaces]
      : [`The default of your ${POLICY} stays: see that it is reject.`]),
    '$HOME/.config/containers/policy.json goes before this file, for root too.',
  ];
}
