/**
 * Images of the registry by their full names, as discovery asks for them. `example.com/coreos/etcd` is the repository of
 * that name, as copies from other registries have it; else, where the host is one of the depot's own, the repository
 * `coreos/etcd`. Under any other host that one would get a signature for a name that is not its owner's to give.
 */
import { compareVersions } from '../aci/version-order.js';
import { DepotError } from '../errors.js';
import { isRepositoryName, isTag, type RepositoryName, type Tag } from '../oci/reference.js';
import { platformOfLabels } from './platform.js';
import type { RegistryParts } from './pulled-repository.js';
import type { FoundImage, RegistryAcis } from './registry-acis.js';
import { imageCalled, isVersionTag } from './registry-names.js';

/** What names are looked up in. */
export interface NamedImagesOptions extends RegistryParts {
  readonly acis: RegistryAcis;
  /** What `latest` means where no tag has that name: the newest version, or nothing. */
  readonly latest: 'newest' | 'none';
  /** The depot's own: repositories without a host in their names are found under these. */
  readonly hosts: readonly string[];
}

/** What a client asks for, in the words of appc. */
export interface WantedImage {
  readonly image: string;
  readonly version: string;
  readonly os: string;
  readonly arch: string;
}

/** Whether the client that asks may read a repository. */
export type MayRead = (repository: RepositoryName) => boolean;

const LATEST = 'latest';

/** The images of one registry. */
export class NamedImages {
  readonly #options: NamedImagesOptions;

  constructor(options: NamedImagesOptions) {
    this.#options = options;
  }

  /** Whether there is an image of this name, or one whose name goes on with a slash; or an upstream that may have it. */
  async knows(name: string, mayRead: MayRead): Promise<boolean> {
    const { registry, pullThrough } = this.#options;
    for (const repository of this.#repositoriesOf(name).filter(mayRead)) {
      if (pullThrough.hasUpstream(repository)) return true;
      const tags = await registry.tags.list(repository);
      if (tags !== undefined && tags.length > 0) return true;
    }
    for (const parent of this.#parentsOf(name)) {
      const child = await registry.catalog.find(parent, mayRead);
      if (child !== undefined) return true;
    }
    return false;
  }

  /**
   * Finds an image. Its ACI has the very name that was asked for: rkt refuses any other.
   *
   * @returns `undefined` if there is none
   * @throws DepotError as {@link RegistryAcis.find}, but for what there is not
   */
  async find(wanted: WantedImage, mayRead: MayRead): Promise<FoundImage | undefined> {
    for (const repository of this.#repositoriesOf(wanted.image).filter(mayRead)) {
      const found =
        (await this.#find(repository, wanted.version, wanted)) ??
        (await this.#find(repository, await this.#newest(repository, wanted.version), wanted));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #find(
    repository: RepositoryName,
    tag: string | undefined,
    { image, os, arch }: WantedImage,
  ): Promise<FoundImage | undefined> {
    const platform = platformOfLabels(os, arch);
    if (platform === undefined || tag === undefined || !isTag(tag)) return undefined;
    try {
      return await this.#options.acis.find({
        ...{ repository, platform, target: { tag } },
        reference: imageCalled(image, tag),
      });
    } catch (error) {
      if (error instanceof DepotError && error.code === 'MANIFEST_UNKNOWN') return undefined;
      throw error;
    }
  }

  async #newest(repository: RepositoryName, version: string): Promise<Tag | undefined> {
    if (version !== LATEST || this.#options.latest === 'none') return undefined;
    const tags = (await this.#options.registry.tags.list(repository)) ?? [];
    const versions = tags.filter(isVersionTag);
    return versions.sort((one, other) => compareVersions(other, one))[0];
  }

  /** The first one counts. */
  #repositoriesOf(name: string): RepositoryName[] {
    const [host = '', ...path] = name.split('/');
    const names = this.#options.hosts.includes(host) ? [name, path.join('/')] : [name];
    return names.filter(isRepositoryName);
  }

  #parentsOf(name: string): (RepositoryName | '')[] {
    const parents = this.#repositoriesOf(name);
    return this.#options.hosts.includes(name) ? [...parents, ''] : parents;
  }
}
