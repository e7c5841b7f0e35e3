/**
 * Where things lie in a registry folder: the reference registry's own layout, so that either program can serve it. What
 * the reference does not know lies in folders whose names begin with `_` (below a repository) or a dot.
 */
import { join } from 'node:path';
import { type Algorithm, algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import type { RepositoryName, Tag } from '../oci/reference.js';

/** Paths below one registry folder (the reference's `rootdirectory`). Nothing here touches the disk. */
export class Layout {
  readonly root: string;
  readonly #base: string;

  /** @param root - what `docker-registry` calls `rootdirectory` */
  constructor(root: string) {
    this.root = root;
    this.#base = join(root, 'docker/registry/v2');
  }

  /** The folder of all repositories. */
  get repositories(): string {
    return join(this.#base, 'repositories');
  }

  /** The folder of all content. */
  get blobs(): string {
    return join(this.#base, 'blobs');
  }

  /** The folder of our own: what is being staged, quarantined, or thrown away. In the same file system. */
  own(...names: readonly string[]): string {
    return join(this.root, '.bootdepot', ...names);
  }

  /** Where files and folders are made before they get their place: nothing temporary lies among what the reference reads. */
  get stage(): string {
    return this.own('stage');
  }

  /** The bytes of a blob or a manifest. */
  data(digest: Digest): string {
    const hex = hexOf(digest);
    return join(this.blobs, algorithmOf(digest), hex.slice(0, 2), hex, 'data');
  }

  repository(name: RepositoryName): string {
    return join(this.repositories, name);
  }

  layers(name: RepositoryName): string {
    return join(this.repository(name), '_layers');
  }

  /** The link of a digest in a folder of links, such as {@link layers}. */
  linkBelow(folder: string, digest: Digest): string {
    return join(folder, algorithmOf(digest), hexOf(digest), 'link');
  }

  /** What makes a blob belong to a repository. */
  layerLink(name: RepositoryName, digest: Digest): string {
    return this.linkBelow(this.layers(name), digest);
  }

  manifests(name: RepositoryName): string {
    return join(this.repository(name), '_manifests');
  }

  revisions(name: RepositoryName): string {
    return join(this.manifests(name), 'revisions');
  }

  /** What makes a manifest belong to a repository. */
  revisionLink(name: RepositoryName, digest: Digest): string {
    return this.linkBelow(this.revisions(name), digest);
  }

  tags(name: RepositoryName): string {
    return join(this.manifests(name), 'tags');
  }

  tag(name: RepositoryName, tag: Tag): string {
    return join(this.tags(name), tag);
  }

  /** The digest that a tag has now. */
  tagLink(name: RepositoryName, tag: Tag): string {
    return join(this.tag(name, tag), 'current/link');
  }

  uploads(name: RepositoryName): string {
    return join(this.repository(name), '_uploads');
  }

  /** @param id - a UUID */
  upload(name: RepositoryName, id: string): string {
    return join(this.uploads(name), id);
  }

  /** What the manifests were when the index of referrers was last known to fit them. */
  referrersNote(name: RepositoryName): string {
    return join(this.repository(name), '_referrers/revisions.json');
  }

  /** The manifests that speak of a subject; derived from the manifests, and made again where it is missing. */
  referrers(name: RepositoryName, subject: Digest): string {
    return join(this.referrersBy(name, algorithmOf(subject)), hexOf(subject));
  }

  /** All of that by the algorithm of the subjects. */
  referrersBy(name: RepositoryName, algorithm: Algorithm): string {
    return join(this.repository(name), '_referrers', algorithm);
  }
}
