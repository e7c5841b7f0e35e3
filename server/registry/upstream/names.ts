/** What a repository is called by clients, here, and by its upstream. */
import { isRepositoryName, type RepositoryName } from '../../oci/reference.js';

/** Docker's hub has repositories of its own in a folder that nobody types. */
export const HUB = 'docker.io';

/** The first part of the names of an upstream's repositories here: the grammar has no colon, so a port is joined by `_`. */
export function folderName(host: string): string {
  return host.replace(/:(?=\d{1,5}$)/, '_');
}

/** The same for the first part of a name that a client typed; all else stays as it is, checked or not. */
export function plainName(name: string): string {
  const slash = name.indexOf('/');
  return slash === -1 ? name : folderName(name.slice(0, slash)) + name.slice(slash);
}

/**
 * Puts the registry that a client means before the name of a repository, unless it stands there already: containerd says it
 * twice where the configured address has it, too.
 *
 * @param namespace - untrusted
 * @returns `undefined` if that is no name
 */
export function nameWithin(namespace: string, name: string): RepositoryName | undefined {
  const folder = folderName(namespace);
  const whole = name.startsWith(`${folder}/`) ? name : `${folder}/${name}`;
  return isRepositoryName(whole) ? whole : undefined;
}

/**
 * What the upstream calls a repository of ours.
 *
 * @param upstream - whose {@link folderName} the repository begins with
 */
export function remoteName(upstream: string, repository: RepositoryName): string {
  const name = repository.slice(folderName(upstream).length + 1);
  return upstream === HUB && !name.includes('/') ? `library/${name}` : name;
}
