/** Which manifests and blobs the images are that a bundle is to carry. */
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { blobsOf } from '../oci/manifest.js';
import type { RepositoryName, Tag } from '../oci/reference.js';
import type { StoredContent } from '../registry/content.js';
import { listLinks } from '../registry/links.js';
import type { StoredManifest } from '../registry/manifests.js';
import type { Registry } from '../registry/open-registry.js';
import type { BundledManifest, BundledRepository } from './contents.js';
import { subjectOfTag, type WantsImage } from './globs.js';

/** A manifest, with what an index says of it. */
export interface CollectedManifest extends BundledManifest {
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
}

/** What is carried of one repository. */
export interface CollectedRepository extends BundledRepository {
  readonly manifests: readonly CollectedManifest[];
}

/** All images, and where their bytes are. */
export interface CollectedImages {
  readonly repositories: readonly CollectedRepository[];
  readonly contents: ReadonlyMap<Digest, StoredContent>;
}

/** What collecting can be told. */
export interface CollectOptions {
  /** Told of what is left out, a sentence each. */
  readonly warn: (text: string) => void;
}

/**
 * Collects the wanted images, without a tag where whole repositories are wanted, with their referrers and what tags say of them (`sha256-<hex>.sig`). Children of an index that were
 * never pulled are left out, as in the depot itself.
 *
 * @throws DepotError `BLOB_UNKNOWN`, `MANIFEST_UNKNOWN`: an image is not whole; `MANIFEST_INVALID`
 */
export async function collectImages(
  registry: Registry,
  wants: WantsImage,
  options: CollectOptions,
): Promise<CollectedImages> {
  const contents = new Map<Digest, StoredContent>();
  const repositories: CollectedRepository[] = [];
  for (const repository of await registry.catalog.list()) {
    const collected = await new Collecting(registry, repository, contents).collect(wants, options);
    if (collected.manifests.length > 0) repositories.push(collected);
  }
  return { repositories, contents };
}

/** Work on one repository. */
class Collecting {
  readonly #registry: Registry;
  readonly #repository: RepositoryName;
  readonly #contents: Map<Digest, StoredContent>;
  readonly #tags = new Map<Tag, Digest>();
  readonly #manifests = new Map<Digest, CollectedManifest>();

  constructor(registry: Registry, repository: RepositoryName, contents: Map<Digest, StoredContent>) {
    this.#registry = registry;
    this.#repository = repository;
    this.#contents = contents;
  }

  async collect(wants: WantsImage, { warn }: CollectOptions): Promise<CollectedRepository> {
    const tags = (await this.#registry.tags.list(this.#repository)) ?? [];
    for (const tag of tags.filter((each) => wants(this.#repository, each))) await this.#addTag(tag);
    if (wants(this.#repository)) await this.#addUntagged(warn);
    await this.#addSpeaking(tags);
    const ordered = [...this.#tags].sort(([one], [other]) => (one < other ? -1 : 1));
    return { repository: this.#repository, tags: new Map(ordered), manifests: [...this.#manifests.values()] };
  }

  async #addTag(tag: Tag): Promise<void> {
    const name = `${this.#repository}:${tag}`;
    const found = await this.#registry.manifests.find(this.#repository, { tag });
    if (found === undefined) {
      throw new DepotError('MANIFEST_UNKNOWN', `${name}: its manifest is damaged or missing: see scrub`, {
        name,
      });
    }
    await this.#add(found, name);
    this.#tags.set(tag, found.digest);
  }

  /** Nobody has named these, so one that is not whole is no reason to stop. */
  async #addUntagged(warn: (text: string) => void): Promise<void> {
    const { layout, manifests } = this.#registry;
    for (const digest of (await listLinks(layout.revisions(this.#repository))).sort()) {
      const name = `${this.#repository}@${digest}`;
      try {
        const found = await manifests.find(this.#repository, { digest });
        if (found !== undefined) await this.#add(found, name);
      } catch (error) {
        if (!(error instanceof DepotError) || !LEFT_OUT.has(error.code)) throw error;
        warn(`left out: ${error.message}`);
      }
    }
  }

  /** Tags and referrers that speak of what is carried, and then those that speak of them. */
  async #addSpeaking(tags: readonly Tag[]): Promise<void> {
    for (const digest of this.#manifests.keys()) {
      for await (const referrer of this.#registry.referrers.list(this.#repository, digest)) {
        const found = await this.#registry.manifests.find(this.#repository, { digest: referrer.digest });
        if (found !== undefined) await this.#add(found, `${this.#repository}@${referrer.digest}`);
      }
      for (const tag of tags)
        if (subjectOfTag(tag) === digest && !this.#tags.has(tag)) await this.#addTag(tag);
    }
  }

  async #add({ digest, bytes, manifest }: StoredManifest, name: string): Promise<void> {
    if (this.#manifests.has(digest)) return;
    const blobs = [...new Set(blobsOf(manifest).map((blob) => blob.digest))];
    const parts = await Promise.all(
      [...blobs, digest].map((part) => this.#part(part, name, part !== digest)),
    );
    const children: Digest[] = [];
    for (const child of manifest.manifests) {
      const found = await this.#registry.manifests.find(this.#repository, { digest: child.digest });
      if (found === undefined) continue;
      await this.#add(found, name);
      children.push(child.digest);
    }
    for (const [part, found] of parts) this.#contents.set(part, found);
    this.#manifests.set(digest, {
      digest,
      blobs,
      manifests: [...new Set(children)],
      subject: manifest.subject?.digest,
      mediaType: manifest.mediaType,
      size: bytes.length,
    });
  }

  async #part(digest: Digest, name: string, isBlob: boolean): Promise<[Digest, StoredContent]> {
    const { blobs, content } = this.#registry;
    const found = isBlob ? await blobs.find(this.#repository, digest) : await content.find(digest);
    if (found !== undefined) return [digest, found];
    const message = `${name} is not whole: ${digest} is not here; pull or push the image again`;
    throw new DepotError('BLOB_UNKNOWN', message, { name, digest });
  }
}

const LEFT_OUT: ReadonlySet<string> = new Set(['BLOB_UNKNOWN', 'MANIFEST_INVALID']);
