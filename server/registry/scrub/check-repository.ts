/** Whether the links, manifests and tags of a repository fit together; and mending what can be mended. */
import { access, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDurableFolder } from '../../disk/folders.js';
import { DepotError } from '../../errors.js';
import type { Digest } from '../../oci/digest.js';
import { blobsOf, type Manifest } from '../../oci/manifest.js';
import type { RepositoryName, Tag } from '../../oci/reference.js';
import { sweep } from '../gc/sweep.js';
import { leasedAt } from '../leases.js';
import { listLinks, readLink, readLinkOf, writeLink } from '../links.js';
import type { Registry } from '../open-registry.js';
import type { Finding, FindingKind } from './finding.js';

/** A folder without a link that is younger than that is somebody's work under way. */
const BEING_WRITTEN_MS = 60_000;

/** What is known of repositories that are copied from elsewhere as it is needed. */
export interface SparseCheck {
  /** Brings content back from where the repository comes from; absent where there is no such place. */
  readonly refetch?: ((repository: RepositoryName, digest: Digest) => Promise<boolean>) | undefined;
  /** Whether manifests of this repository may refer to what was never here: an upstream has it. */
  readonly maySparse: (repository: RepositoryName) => boolean;
}

/** How to look at repositories. */
export interface RepositoryCheck extends SparseCheck {
  readonly repair: boolean;
  /** Content that is known to be damaged and still in its place: reading it again would put it aside. */
  readonly damaged: ReadonlySet<string>;
  readonly onFinding: (finding: Finding) => void;
}

/** Looks at one repository. */
export async function checkRepository(
  registry: Registry,
  repository: RepositoryName,
  check: RepositoryCheck,
): Promise<void> {
  const visit = new Visit(registry, repository, check);
  await visit.folders();
  await visit.layers();
  await visit.revisions();
  await visit.tags();
}

class Visit {
  readonly #registry: Registry;
  readonly #repository: RepositoryName;
  readonly #check: RepositoryCheck;

  constructor(registry: Registry, repository: RepositoryName, check: RepositoryCheck) {
    this.#registry = registry;
    this.#repository = repository;
    this.#check = check;
  }

  /** The reference's garbage collection removes live manifests of a repository that lacks one of them. */
  async folders(): Promise<void> {
    const { layout } = this.#registry;
    const folders = {
      _layers: layout.layers(this.#repository),
      _manifests: layout.manifests(this.#repository),
    };
    const revisions = await listLinks(layout.revisions(this.#repository));
    if (revisions.length === 0) return;
    for (const [name, path] of Object.entries(folders)) {
      if (await isThere(path)) continue;
      await this.#report('broken-folder', name, async () => {
        await makeDurableFolder(path);
        return true;
      });
    }
  }

  async revisions(): Promise<void> {
    const { layout, manifests } = this.#registry;
    for (const digest of await listLinks(layout.revisions(this.#repository))) {
      const link = layout.revisionLink(this.#repository, digest);
      if ((await readLinkOf(digest, link)) === undefined) await this.#mendLink(link, digest);
      if (this.#check.damaged.has(digest)) continue;
      const found = await manifests.find(this.#repository, { digest }).catch(unreadable);
      if (found === 'unreadable') await this.#report('unreadable', digest, async () => false);
      else if (found !== undefined) await this.#parts(digest, found.manifest);
      else if (await isThere(link)) await this.#bringBack(digest);
    }
  }

  async #parts(digest: Digest, manifest: Manifest): Promise<void> {
    const { layout } = this.#registry;
    for (const blob of blobsOf(manifest)) {
      await this.#part(blob.digest, layout.layerLink(this.#repository, blob.digest));
    }
    if (this.#check.maySparse(this.#repository)) return;
    for (const child of manifest.manifests) {
      if (child.digest !== digest) {
        await this.#part(child.digest, layout.revisionLink(this.#repository, child.digest));
      }
    }
  }

  async #part(digest: Digest, link: string): Promise<void> {
    const { content, layout } = this.#registry;
    const linked = await readLinkOf(digest, link);
    if (linked === undefined && this.#check.maySparse(this.#repository) && !(await isThere(link))) return;
    if ((await content.find(linked ?? digest)) === undefined) return this.#bringBack(digest);
    // One that holds nothing has a finding of its own.
    if (linked !== undefined || (await isThere(link))) return;
    await this.#report('unlinked', digest, async () => {
      await content.lease(digest);
      await writeLink(layout, link, digest);
      return true;
    });
  }

  async layers(): Promise<void> {
    const { layout } = this.#registry;
    for (const digest of await listLinks(layout.layers(this.#repository))) {
      const link = layout.layerLink(this.#repository, digest);
      if ((await readLinkOf(digest, link)) === undefined) await this.#mendLink(link, digest);
    }
  }

  /** A link that says nothing is where the digest says that it is; without content it is as good as none. */
  async #mendLink(link: string, digest: Digest): Promise<void> {
    const { content, layout } = this.#registry;
    const lookedAt = Date.now();
    if (await isBeingWritten(link)) return;
    await this.#report('broken-link', digest, async () => {
      await content.lease(digest);
      if ((await content.find(digest)) === undefined) return this.#remove(link, lookedAt);
      await writeLink(layout, link, digest);
      return true;
    });
  }

  /** Unless somebody has begun to write it since. */
  async #remove(link: string, lookedAt: number): Promise<boolean> {
    const candidates = [{ item: link, path: dirname(link), leases: [dirname(link), link] }];
    const gone = await sweep(this.#registry.layout, { candidates, since: lookedAt });
    return gone.length > 0;
  }

  async tags(): Promise<void> {
    const { tags, layout } = this.#registry;
    for (const tag of (await tags.list(this.#repository)) ?? []) {
      const current = await tags.current(this.#repository, tag);
      const link = current && layout.revisionLink(this.#repository, current);
      if (link !== undefined && (await readLink(link)) !== undefined) continue;
      await this.#report('broken-tag', tag, () => this.#mendTag(tag, current));
    }
  }

  /** A crash of the reference may leave a tag that says nothing: with one manifest in its past it is clear which. */
  async #mendTag(tag: Tag, current: Digest | undefined): Promise<boolean> {
    const { layout, tags } = this.#registry;
    if (current !== undefined) return false;
    const [only, ...others] = await listLinks(join(layout.tag(this.#repository, tag), 'index'));
    if (only === undefined || others.length > 0) return false;
    if ((await readLink(layout.revisionLink(this.#repository, only))) === undefined) return false;
    await tags.set(this.#repository, tag, only);
    return true;
  }

  async #bringBack(digest: Digest): Promise<void> {
    const { refetch } = this.#check;
    await this.#report('missing', digest, async () => (await refetch?.(this.#repository, digest)) ?? false);
  }

  async #report(kind: FindingKind, name: string, mend: () => Promise<boolean>): Promise<void> {
    const repaired = this.#check.repair && (await mend());
    this.#check.onFinding({ kind, repository: this.#repository, name, repaired });
  }
}

/** A push makes the folder of a link a moment before the link. */
async function isBeingWritten(link: string): Promise<boolean> {
  if (await isThere(link)) return false;
  const folder = await stat(dirname(link)).catch(() => undefined);
  return folder !== undefined && Date.now() - leasedAt(folder) < BEING_WRITTEN_MS;
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function unreadable(error: unknown): 'unreadable' {
  if (error instanceof DepotError && error.code === 'MANIFEST_INVALID') return 'unreadable';
  throw error;
}
