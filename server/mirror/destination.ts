/** Where images are copied to. */
import type { Digest } from '../oci/digest.js';
import type { Descriptor } from '../oci/manifest.js';
import type { Reference, RepositoryName, Tag } from '../oci/reference.js';
import type { FetchedManifest } from '../registry/upstream/fetch-manifest.js';
import type { PartFiles } from './part-files.js';
import type { Platforms } from './platforms.js';

/** Brings a blob into a file, whose path it gives; the file is durable, and has these very bytes. */
export type BringBlob = (parts: PartFiles) => Promise<string>;

/** How a manifest is kept. */
export interface Keeping {
  /** A name that it gets, once it is whole. */
  readonly tag?: Tag | undefined;
  /** Whether it is one of a list's, and nothing by itself. */
  readonly isChild: boolean;
}

/** A place for images. */
export interface Destination {
  /** For people: a folder, an address. */
  readonly label: string;
  /** Whether a list is kept as it is when some of its images are not. */
  readonly takesParts: boolean;
  /** The digest that a reference has, if it is whole as far as those platforms go. */
  current(
    repository: RepositoryName,
    reference: Reference,
    platforms: Platforms,
  ): Promise<Digest | undefined>;
  /** The bytes of a manifest, if they need not be fetched. */
  manifest(repository: RepositoryName, digest: Digest): Promise<Buffer | undefined>;
  hasBlob(repository: RepositoryName, blob: Descriptor): Promise<boolean>;
  /** Makes a blob one of the repository; it is brought only if it is nowhere at the destination. */
  putBlob(repository: RepositoryName, blob: Descriptor, bring: BringBlob): Promise<void>;
  /** Keeps a manifest all of whose parts were put. */
  putManifest(repository: RepositoryName, manifest: FetchedManifest, keeping: Keeping): Promise<void>;
  /** All tags of a repository; none if there is no such repository. */
  tags(repository: RepositoryName): Promise<readonly Tag[]>;
  removeTag(repository: RepositoryName, tag: Tag): Promise<void>;
  close(): Promise<void>;
}
