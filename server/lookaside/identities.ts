/** What clients call an image of the registry: a signature counts for the name that was typed, and for no other. */
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { RepositoryName, Tag } from '../oci/reference.js';
import { folderName, remoteName } from '../registry/upstream/names.js';

/** How this depot and the registries behind it are called. */
export interface KnownNames {
  /** Hosts under which clients name this depot's images, such as `registry.example.com:5000`. */
  readonly hosts: readonly string[];
  /** Upstreams of the configuration. */
  readonly upstreams: readonly string[];
}

/** An image by tag, or by digest where it has none. */
export type ImageTarget = { readonly tag: Tag } | { readonly digest: Digest };

const LOOKS_LIKE_HOST = /^(?<host>[^/]*\.[^/]*?)(?:_(?<port>\d{1,5}))?\//;

/**
 * The hosts of a configuration: those that are named, or else that of the server's address.
 *
 * @throws DepotError `CONFIG_INVALID`: there is none, and none is guessed
 */
export function signedHosts(named: readonly string[], publicUrl: string | undefined): readonly string[] {
  if (named.length > 0) return named;
  if (publicUrl !== undefined) return [new URL(publicUrl).host];
  throw new DepotError(
    'CONFIG_INVALID',
    'images are signed for the name that clients type: set registry.signedHosts, such as registry.example.com:5000, or publicUrl',
  );
}

/**
 * All names of an image: at each host, and the one that its upstream has for it.
 *
 * @returns in a stable order, each once
 */
export function identitiesOf(
  repository: RepositoryName,
  target: ImageTarget,
  { hosts, upstreams }: KnownNames,
): string[] {
  const suffix = 'tag' in target ? `:${target.tag}` : `@${target.digest}`;
  const names = hosts.map((host) => `${host}/${repository}`);
  const original = originalName(repository, upstreams);
  return [...new Set(original === undefined ? names : [...names, original])].map((name) => name + suffix);
}

/** What an upstream calls it, where the first part of the name is that of an upstream, or looks like a registry's. */
function originalName(repository: RepositoryName, upstreams: readonly string[]): string | undefined {
  const host = upstreams.find((each) => repository.startsWith(`${folderName(each)}/`)) ?? hostIn(repository);
  return host === undefined ? undefined : `${host}/${remoteName(host, repository)}`;
}

function hostIn(repository: RepositoryName): string | undefined {
  const { host, port } = LOOKS_LIKE_HOST.exec(repository)?.groups ?? {};
  return host === undefined || port === undefined ? host : `${host}:${port}`;
}
