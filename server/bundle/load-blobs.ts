/** Taking images in: content first, then links, then manifests, and the tags when all the rest is there. */

import { makeDurableFolder } from '../disk/folders.js';
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { blobsOf } from '../oci/manifest.js';
import type { RepositoryName, Tag } from '../oci/reference.js';
import { writeLink } from '../registry/links.js';
import { MAX_MANIFEST_BYTES, type StoredManifest } from '../registry/manifests.js';
import type { Registry } from '../registry/open-registry.js';
import type { BundledManifest, BundledRepository, BundleFile } from './contents.js';
import { stageFile } from './staged-file.js';

/** A manifest that was taken in, with the tags it has now. */
export interface LoadedManifest {
  readonly repository: RepositoryName;
  readonly stored: StoredManifest;
  readonly tags: readonly Tag[];
}

/** Puts what a bundle brings into one registry. */
export class BlobLoading {
  readonly #registry: Registry;
  readonly #repositories: readonly BundledRepository[];
  /** The repositories that have a blob as a config or a layer. */
  readonly #owners = new Map<Digest, RepositoryName[]>();

  constructor(registry: Registry, repositories: readonly BundledRepository[]) {
    this.#registry = registry;
    this.#repositories = repositories;
    for (const { repository, manifests } of repositories) {
      for (const digest of new Set(manifests.flatMap(({ blobs }) => blobs))) {
        this.#owners.set(digest, [...(this.#owners.get(digest) ?? []), repository]);
      }
    }
  }

  /**
   * Makes sure that the tags may be set.
   *
   * @throws DepotError `ACCESS_DENIED`: one of them is set once, to something else
   */
  async expectTags(): Promise<void> {
    for (const { repository, tags } of this.#repositories) {
      for (const [tag, digest] of tags) await this.#registry.tags.expect(repository, tag, digest);
    }
  }

  /**
   * Whether content is here, as far as its size tells. What is in its place was checked when it came, and is again when it is sent:
   * a small difference is no reason to read all of a large base.
   */
  async holds({ digest, size }: BundleFile): Promise<boolean> {
    const { content } = this.#registry;
    await content.lease(digest);
    return (await content.find(digest))?.stats.size === size;
  }

  /** Whether content is here and whole; what is damaged is put aside, and comes again with the bundle. */
  async has(digest: Digest): Promise<boolean> {
    const { content } = this.#registry;
    await content.lease(digest);
    const found = await content.find(digest);
    if (found === undefined) return false;
    return found.checked || (await content.checkLatest(found));
  }

  /**
   * Takes in a blob or the bytes of a manifest.
   *
   * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`; whatever the body throws, and nothing has changed then
   */
  async take(digest: Digest, body: AsyncIterable<Uint8Array>): Promise<void> {
    const { content, layout } = this.#registry;
    await makeDurableFolder(layout.stage);
    const pending = await stageFile(layout.data(digest), body, layout.stage);
    try {
      await content.place(digest, pending.temporaryPath);
    } finally {
      await pending.discard();
    }
  }

  /** Makes content that is here a blob of the repositories that need it. */
  async link(digest: Digest): Promise<void> {
    const { layout } = this.#registry;
    for (const repository of this.#owners.get(digest) ?? []) {
      await writeLink(layout, layout.layerLink(repository, digest), digest);
    }
  }

  /**
   * Takes in the manifests, whose bytes are here, and sets the tags.
   *
   * @throws DepotError `BUNDLE_INVALID`: a manifest needs what bundle.json does not say; `MANIFEST_INVALID`; `ACCESS_DENIED`
   */
  async finish(): Promise<LoadedManifest[]> {
    const loaded: LoadedManifest[] = [];
    for (const each of this.#repositories) {
      const kept = new Map<Digest, StoredManifest>();
      for (const manifest of each.manifests) {
        kept.set(manifest.digest, await this.#keep(each.repository, manifest));
      }
      for (const [tag, digest] of each.tags) await this.#registry.tags.set(each.repository, tag, digest);
      for (const [digest, stored] of kept) {
        const tags = [...each.tags].flatMap(([tag, tagged]) => (tagged === digest ? [tag] : []));
        loaded.push({ repository: each.repository, stored, tags });
      }
    }
    return loaded;
  }

  /** That the parts are here is known: nobody needs to look for each of them again. */
  async #keep(repository: RepositoryName, { digest, blobs }: BundledManifest): Promise<StoredManifest> {
    const bytes = await this.#registry.content.read(digest, MAX_MANIFEST_BYTES);
    if (bytes === undefined) throw wrong(repository, digest, 'has gone again');
    const known = new Set(blobs);
    const kept = { bytes, contentType: undefined, tags: [] };
    const stored = await this.#registry.manifests.keep(repository, digest, kept);
    const unknown = blobsOf(stored.manifest).find((blob) => !known.has(blob.digest));
    if (unknown === undefined) return stored;
    throw wrong(repository, digest, `needs ${unknown.digest}, of which bundle.json does not know`);
  }
}

function wrong(repository: RepositoryName, digest: Digest, problem: string): DepotError {
  return new DepotError('BUNDLE_INVALID', `${repository}: the manifest ${digest} ${problem}`, { digest });
}
