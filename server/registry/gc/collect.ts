/**
 * Garbage collection beside a running registry: links that no manifest needs, manifests without a tag by choice, uploads
 * that nobody goes on with, repositories of which nothing is left, and then the content that nothing links.
 */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { foldersIn } from '../../disk/folders.js';
import type { Digest } from '../../oci/digest.js';
import type { RepositoryName } from '../../oci/reference.js';
import type { Layout } from '../layout.js';
import { listLinks, readLink } from '../links.js';
import type { Registry } from '../open-registry.js';
import { type EmptyRules, removeIfEmpty } from './empty-repository.js';
import { type KeepRules, planRepository, type RepositoryPlan } from './plan.js';
import { type Candidate, overdue, sweep } from './sweep.js';

/** How to collect. */
export interface GcOptions extends Pick<KeepRules, 'untagged'> {
  /** Milliseconds that everything stays after somebody pushed it, built on it, or was told that it is here. */
  readonly graceMs: number;
  /** Milliseconds after which an upload that has got no more bytes is given up. */
  readonly uploadsMs: number;
  /** Removes nothing, and says what would go. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Told of each thing that went, or would go. */
  readonly onItem?: ((item: GcItem) => void) | undefined;
}

/** One thing that nothing refers to. */
export interface GcItem {
  readonly kind: 'manifest' | 'link' | 'upload' | 'repository' | 'content';
  /** Whose; content is nobody's. */
  readonly repository?: RepositoryName;
  /** A digest, or the name of an upload or a repository. */
  readonly name: string;
  /** What its removal frees on the disk. A manifest's bytes and a blob's are content. */
  readonly bytes: number;
}

/** What came of it. */
export interface GcReport {
  readonly removed: Readonly<Record<GcItem['kind'], number>>;
  readonly bytes: number;
  /** Repositories of which no blob was removed, because some of their manifests cannot be read: `scrub` says why. */
  readonly spared: readonly RepositoryName[];
}

/**
 * Collects the garbage of a registry folder. Pushes, pulls and mounts may go on, in this process and in others.
 *
 * @throws DepotError `NAME_INVALID`: there is a folder of which it is not known what it holds on to; `ACCESS_DENIED`, `IO_FAILED`
 */
export async function collectGarbage(registry: Registry, options: GcOptions): Promise<GcReport> {
  const collection = new Collection(registry, options);
  const repositories = await registry.catalog.listAll();
  for (const repository of repositories) {
    if (options.signal?.aborted) return collection.report();
    await collection.repository(repository);
  }
  await collection.content();
  return collection.report();
}

/** The times of files go in steps, of 4 ms or 10 ms mostly, and lie behind the clock by up to one. */
const STEP_MS = 20;

/**
 * One run. All its graces end where it began: what is pushed while it looks through the links is not among those it found, however
 * long that takes.
 */
class Collection {
  readonly #registry: Registry;
  readonly #layout: Layout;
  readonly #options: GcOptions;
  /** Content that something links; what is linked later has a new lease. */
  readonly #linked = new Set<string>();
  readonly #startedAt = Date.now();
  readonly #spared: RepositoryName[] = [];
  readonly #removed = { manifest: 0, link: 0, upload: 0, repository: 0, content: 0 };
  #bytes = 0;

  constructor(registry: Registry, options: GcOptions) {
    this.#registry = registry;
    this.#layout = registry.layout;
    this.#options = options;
  }

  report(): GcReport {
    return { removed: { ...this.#removed }, bytes: this.#bytes, spared: this.#spared };
  }

  get #rules(): KeepRules & EmptyRules {
    const { graceMs, untagged, dryRun } = this.#options;
    return { since: this.#since(graceMs), untagged, dryRun };
  }

  #since(graceMs: number): number {
    return this.#startedAt - Math.max(graceMs, STEP_MS);
  }

  async repository(repository: RepositoryName): Promise<void> {
    const uploads = await this.#uploads(repository);
    const plan = await planRepository(this.#registry, repository, this.#rules);
    if (plan.unreadable.length > 0) this.#spared.push(repository);
    const gone = await this.#links(repository, plan);
    // What became empty just now has its grace from now on.
    const isOld = uploads === 0 && gone.size === 0;
    if (isOld && (await removeIfEmpty(this.#layout, repository, this.#rules))) {
      this.#note({ kind: 'repository', name: repository, bytes: 0 });
      return;
    }
    await this.#mark(repository, gone);
  }

  /** Notes what a repository links. */
  async #mark(repository: RepositoryName, gone: ReadonlySet<string>): Promise<void> {
    const layout = this.#layout;
    const folders = [layout.revisions(repository), layout.layers(repository)];
    for (const folder of folders) {
      for (const digest of await listLinks(folder)) {
        const link = layout.linkBelow(folder, digest);
        if (gone.has(link)) continue;
        this.#linked.add(digest);
        // The reference links a SHA-512 to content under its SHA-256.
        const content = digest.startsWith('sha512:') ? await readLink(link) : undefined;
        if (content !== undefined) this.#linked.add(content);
      }
    }
  }

  /** @returns the links that are gone, or would be */
  async #links(repository: RepositoryName, plan: RepositoryPlan): Promise<Set<string>> {
    const layout = this.#layout;
    const candidate = (kind: 'manifest' | 'link', path: string, name: Digest): Candidate<GcItem> => ({
      item: { kind, repository, name, bytes: 0 },
      path: dirname(path),
      // The folder, too: one that was made just now may have no link yet.
      leases: [dirname(path), path],
    });
    const gone = await this.#remove([
      ...plan.manifests.map((name) => candidate('manifest', layout.revisionLink(repository, name), name)),
      ...plan.layers.map((name) => candidate('link', layout.layerLink(repository, name), name)),
    ]);
    return new Set(gone.map(({ path }) => join(path, 'link')));
  }

  /** @returns how many are gone, or would be */
  async #uploads(repository: RepositoryName): Promise<number> {
    const folder = this.#layout.uploads(repository);
    const candidates: Candidate<GcItem>[] = [];
    for (const name of await foldersIn(folder)) {
      const data = join(folder, name, 'data');
      const bytes = await sizeOf(data);
      const item: GcItem = { kind: 'upload', repository, name, bytes };
      candidates.push({ item, path: join(folder, name), leases: [join(folder, name), data] });
    }
    return (await this.#remove(candidates, this.#options.uploadsMs)).length;
  }

  async content(): Promise<void> {
    const { content } = this.#registry;
    for (const part of await content.parts()) {
      if (this.#options.signal?.aborted) return;
      const digests = await content.digestsIn(part);
      const candidates: Candidate<GcItem>[] = [];
      for (const name of digests.filter((digest) => !this.#linked.has(digest))) {
        const data = this.#layout.data(name);
        const item: GcItem = { kind: 'content', name, bytes: await sizeOf(data) };
        candidates.push({ item, path: dirname(data), leases: [dirname(data), data] });
      }
      await this.#remove(candidates);
    }
  }

  async #remove(
    candidates: readonly Candidate<GcItem>[],
    graceMs = this.#options.graceMs,
  ): Promise<Candidate<GcItem>[]> {
    if (candidates.length === 0) return [];
    const { dryRun, signal } = this.#options;
    const since = this.#since(graceMs);
    const gone = await (dryRun
      ? overdue({ candidates, since })
      : sweep(this.#layout, { candidates, since, signal }));
    for (const { item } of gone) this.#note(item);
    return gone;
  }

  #note(item: GcItem): void {
    this.#removed[item.kind] += 1;
    this.#bytes += item.bytes;
    this.#options.onItem?.(item);
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
