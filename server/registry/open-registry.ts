/** One registry folder, and all that can be asked of it. */
import { removeStaleTemporaries } from '../disk/atomic-file.js';
import { makeDurableFolder, makeFolder } from '../disk/folders.js';
import { FreeSpace } from '../disk/free-space.js';
import type { Digest } from '../oci/digest.js';
import { Blobs } from './blobs.js';
import { Catalog } from './catalog.js';
import { Content } from './content.js';
import { RegistryEvents } from './events.js';
import { RegistryFigures } from './figures.js';
import { immutableTags } from './immutable-tags.js';
import { Layout } from './layout.js';
import { Manifests } from './manifests.js';
import { ReferrerList } from './referrer-list.js';
import { Referrers } from './referrers.js';
import { ReferrersRebuild } from './referrers-rebuild.js';
import { Tags } from './tags.js';
import { Uploads } from './uploads.js';

/** What a registry is opened with. */
export interface RegistryOptions {
  /** The folder; what `docker-registry` calls `rootdirectory`. */
  readonly dir: string;
  /** Globs of tags that are set once: `v*`, `prod/**:release-*`. */
  readonly immutableTags?: readonly string[];
  /** Told of content that did not match its digest and was put aside. */
  readonly onDamage: (digest: Digest) => void;
  /** Bytes of its disk that pushes leave free. */
  readonly freeSpace: number;
  /** Whether a manifest is taken while what it refers to is not here; by default not. */
  readonly allowSparse?: boolean;
}

/** The parts of an open registry. */
export interface Registry {
  readonly layout: Layout;
  readonly space: FreeSpace;
  readonly blobs: Blobs;
  readonly catalog: Catalog;
  readonly content: Content;
  readonly events: RegistryEvents;
  readonly figures: RegistryFigures;
  readonly manifests: Manifests;
  readonly referrers: ReferrerList;
  readonly tags: Tags;
  readonly uploads: Uploads;
}

/**
 * Opens a registry folder, and makes it where it is missing.
 *
 * @throws DepotError `ACCESS_DENIED`, `DISK_FULL`, `IO_FAILED`
 */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { dir, onDamage, freeSpace, allowSparse = false } = options;
  await makeFolder(dir);
  const layout = new Layout(dir);
  await prepareOwn(layout);
  const space = new FreeSpace(dir, freeSpace);
  const events = new RegistryEvents();
  const figures = new RegistryFigures();
  events.listen(figures.note);
  const content = new Content(layout, (digest) => {
    onDamage(digest);
    void events.emit({ action: 'damage', digest });
  });
  const blobs = new Blobs(layout, content);
  const tags = new Tags(layout, immutableTags(options.immutableTags ?? []));
  const referrers = new Referrers(layout);
  const manifests = new Manifests({ layout, content, blobs, tags, referrers, space, allowSparse });
  return {
    layout,
    space,
    blobs,
    catalog: new Catalog(layout),
    content,
    events,
    figures,
    manifests,
    referrers: new ReferrerList(manifests, referrers, new ReferrersRebuild(layout, content, referrers)),
    tags,
    uploads: new Uploads(layout, content, space),
  };
}

/**
 * Makes the folders through which everything comes and goes, as long as there is room for them: removing must work on a full
 * disk. What a killed process was about to put in its place or to remove goes.
 */
async function prepareOwn(layout: Layout): Promise<void> {
  for (const folder of [layout.stage, layout.own('trash')]) {
    // A folder that cannot be written to can still be read.
    await makeDurableFolder(folder).catch(() => undefined);
    await removeStaleTemporaries(folder).catch(() => 0);
  }
}
