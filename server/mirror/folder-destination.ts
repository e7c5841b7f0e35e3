/** The depot's own registry folder as a destination; no server needs to run, and one that runs sees each image when it is whole. */
import type { Digest } from '../oci/digest.js';
import type { Descriptor } from '../oci/manifest.js';
import type { Reference, RepositoryName, Tag } from '../oci/reference.js';
import type { Registry } from '../registry/open-registry.js';
import type { FetchedManifest } from '../registry/upstream/fetch-manifest.js';
import { confirmTag } from '../registry/upstream/tag-age.js';
import type { BringBlob, Destination, Keeping } from './destination.js';
import { PartFiles } from './part-files.js';
import { isWhole, type Platforms } from './platforms.js';

/** Images in a registry folder. */
export class FolderDestination implements Destination {
  readonly takesParts = true;
  readonly #registry: Registry;
  readonly #parts: PartFiles;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#parts = new PartFiles(registry.layout.own('mirror'));
  }

  get label(): string {
    return this.#registry.layout.root;
  }

  async current(
    repository: RepositoryName,
    reference: Reference,
    platforms: Platforms,
  ): Promise<Digest | undefined> {
    const { layout, manifests } = this.#registry;
    const found = await manifests.find(repository, reference);
    if (found === undefined) return undefined;
    const kept = {
      manifest: (digest: Digest) => this.manifest(repository, digest),
      hasBlob: (blob: Descriptor) => this.hasBlob(repository, blob),
    };
    if (!(await isWhole(kept, found.digest, platforms))) return undefined;
    if (reference.tag !== undefined) await confirmTag(layout, repository, reference.tag);
    return found.digest;
  }

  async manifest(repository: RepositoryName, digest: Digest): Promise<Buffer | undefined> {
    return (await this.#registry.manifests.find(repository, { digest }))?.bytes;
  }

  async hasBlob(repository: RepositoryName, { digest, size }: Descriptor): Promise<boolean> {
    return (await this.#registry.blobs.find(repository, digest))?.stats.size === size;
  }

  async putBlob(repository: RepositoryName, blob: Descriptor, bring: BringBlob): Promise<void> {
    const { blobs, content, space } = this.#registry;
    const { digest, size } = blob;
    if (await this.hasBlob(repository, blob)) return;
    if ((await content.find(digest))?.stats.size !== size) {
      await space.expect(size);
      await content.place(digest, await bring(this.#parts));
    }
    await blobs.mount(repository, digest, undefined);
  }

  async putManifest(repository: RepositoryName, fetched: FetchedManifest, { tag }: Keeping): Promise<void> {
    const { layout, manifests } = this.#registry;
    const { bytes, contentType, digest } = fetched;
    await manifests.keep(repository, digest, { bytes, contentType, tags: tag === undefined ? [] : [tag] });
    if (tag !== undefined) await confirmTag(layout, repository, tag);
  }

  async tags(repository: RepositoryName): Promise<Tag[]> {
    return (await this.#registry.tags.list(repository)) ?? [];
  }

  removeTag(repository: RepositoryName, tag: Tag): Promise<void> {
    return this.#registry.tags.remove(repository, tag);
  }

  async close(): Promise<void> {
    await this.#parts.sweep();
  }
}
