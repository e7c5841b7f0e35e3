/** One registry folder, and all that can be asked of it. */
import { makeFolder } from '../disk/folders.js';
import type { Digest } from '../oci/digest.js';
import { Blobs } from './blobs.js';
import { Catalog } from './catalog.js';
import { Content } from './content.js';
import { Layout } from './layout.js';
import { Manifests } from './manifests.js';
import { Referrers } from './referrers.js';
import { Tags } from './tags.js';
import { Uploads } from './uploads.js';

/** What a registry is opened with. */
export interface RegistryOptions {
  /** The folder; what `docker-registry` calls `rootdirectory`. */
  readonly dir: string;
  /** Told of content that did not match its digest and was put aside. */
  readonly onDamage: (digest: Digest) => void;
}

/** The parts of an open registry. */
export interface Registry {
  readonly blobs: Blobs;
  readonly catalog: Catalog;
  readonly content: Content;
  readonly manifests: Manifests;
  readonly referrers: Referrers;
  readonly tags: Tags;
  readonly uploads: Uploads;
}

/**
 * Opens a registry folder, and makes it where it is missing.
 *
 * @throws DepotError `ACCESS_DENIED`, `DISK_FULL`, `IO_FAILED`
 */
export async function openRegistry({ dir, onDamage }: RegistryOptions): Promise<Registry> {
  await makeFolder(dir);
  const layout = new Layout(dir);
  const content = new Content(layout, onDamage);
  const blobs = new Blobs(layout, content);
  const tags = new Tags(layout);
  const referrers = new Referrers(layout);
  return {
    blobs,
    catalog: new Catalog(layout),
    content,
    manifests: new Manifests({ layout, content, blobs, tags, referrers }),
    referrers,
    tags,
    uploads: new Uploads(layout, content),
  };
}
