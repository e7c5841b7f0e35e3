/** What is not here is fetched from the upstream that a repository's name begins with, and kept like all else. */
import type { Config } from '../../config/schema.js';
import { DepotError } from '../../errors.js';
import type { Digest } from '../../oci/digest.js';
import type { Reference, RepositoryName } from '../../oci/reference.js';
import { readLink } from '../links.js';
import type { Registry } from '../open-registry.js';
import type { SparseCheck } from '../scrub/check-repository.js';
import { createTally, type Tally, type UpstreamFigures } from './figures.js';
import { Fills } from './fills.js';
import { folderName, nameWithin, plainName } from './names.js';
import { type PulledBlob, PulledBlobs } from './pulled-blobs.js';
import { type PulledManifest, PulledManifests } from './pulled-manifests.js';
import { Source } from './source.js';
import { TIMING, type Timing } from './timing.js';
import { type ReferrersFound, type TagList, UpstreamLists } from './upstream-lists.js';

/** What the pull-through is made of. */
export interface PullThroughOptions {
  readonly registry: Registry;
  readonly config: Pick<Config['registry'], 'upstreams' | 'offline' | 'staleTags'>;
  /** Where proxies are named; by default the environment of the process. */
  readonly env?: Readonly<NodeJS.ProcessEnv> | undefined;
  /** What is to be other than usual. */
  readonly timing?: Partial<Timing> | undefined;
}

/** What a name leads to. */
export interface Place {
  /** The repository here, not checked yet. */
  readonly name: string;
  /** The registry that the client named beside the path, if it is an upstream. */
  readonly namespace?: string;
}

/** A registry that fetches what it has not. Nothing but the upstreams that are configured is ever dialled. */
export class PullThrough {
  /** Totals since the start. */
  readonly figures: UpstreamFigures;
  readonly #tally: Tally;
  readonly #registry: Registry;
  readonly #offline: boolean;
  readonly #sources: ReadonlyMap<string, Source>;
  readonly #fills: Fills;
  readonly #manifests: PulledManifests;
  readonly #blobs: PulledBlobs;
  readonly #lists: UpstreamLists;

  constructor({ registry, config, env = process.env, timing: changed }: PullThroughOptions) {
    const timing = { ...TIMING, ...changed };
    const tally = createTally();
    const sources = Object.entries(config.upstreams).map(
      ([name, each]) => new Source(name, each, { env, timing }),
    );
    this.figures = tally;
    this.#tally = tally;
    this.#registry = registry;
    this.#offline = config.offline;
    this.#sources = new Map(sources.map((source) => [source.folder, source]));
    this.#fills = new Fills({ ...registry, tally, timing });
    const asking = { ...registry, tally, timing, staleTags: config.staleTags };
    this.#manifests = new PulledManifests(asking);
    this.#lists = new UpstreamLists({ ...asking, pulled: this.#manifests });
    this.#blobs = new PulledBlobs({ ...registry, fills: this.#fills, tally, timing });
  }

  /**
   * Finds the repository that a client means.
   *
   * @param name - from the path, untrusted
   * @param namespace - `ns`, untrusted: the registry that the client believes it speaks to
   */
  async locate(name: string, namespace: string | undefined): Promise<Place> {
    const plain = this.#sources.size === 0 ? name : this.#plain(name);
    if (namespace === undefined) return { name: plain };
    const within = nameWithin(namespace, plain);
    if (within === undefined) return { name: plain };
    if (this.#sources.has(folderName(namespace))) return { name: within, namespace };
    // Nobody configured it, but what was copied from there may lie here.
    return { name: (await this.#registry.tags.list(within)) === undefined ? plain : within };
  }

  /** Only where it leads to an upstream: elsewhere a colon is a mistake that the client should be told of. */
  #plain(name: string): string {
    const plain = plainName(name);
    return this.#sources.has(plain.slice(0, plain.indexOf('/'))) ? plain : name;
  }

  /**
   * Finds a manifest here or upstream.
   *
   * @returns `undefined` if it is neither here nor there
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`, `DISK_FULL`; `MANIFEST_UNKNOWN`: we are offline
   */
  async manifest(repository: RepositoryName, reference: Reference): Promise<PulledManifest | undefined> {
    const source = this.#sourceOf(repository);
    if (source !== undefined && !this.#offline) return this.#manifests.find(source, repository, reference);
    const stored = await this.#registry.manifests.find(repository, reference);
    if (stored !== undefined) return { stored };
    if (source !== undefined) throw offline('MANIFEST_UNKNOWN', 'manifest', repository);
    return undefined;
  }

  /**
   * Fetches a blob that the repository has not.
   *
   * @returns `undefined` if there is no upstream, or it has no such blob
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`, `DISK_FULL`; `BLOB_UNKNOWN`: we are offline
   */
  async blob(repository: RepositoryName, digest: Digest): Promise<PulledBlob | undefined> {
    const source = this.#sourceForBlobs(repository);
    return source && this.#blobs.open(source, repository, digest);
  }

  /**
   * Asks how long a blob is that the repository has not, without fetching it.
   *
   * @returns bytes; else as {@link blob}
   */
  async blobSize(repository: RepositoryName, digest: Digest): Promise<number | undefined> {
    const source = this.#sourceForBlobs(repository);
    return source && this.#blobs.size(source, repository, digest);
  }

  /**
   * Lists the tags of a repository, also those that only an upstream has.
   *
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`: and nothing is here
   */
  async tags(repository: RepositoryName): Promise<TagList> {
    const source = this.#sourceOf(repository);
    if (source === undefined || this.#offline) return { tags: await this.#registry.tags.list(repository) };
    return this.#lists.tags(source, repository);
  }

  /**
   * Lists the manifests that speak of a subject, also those that only an upstream has.
   *
   * @param after - begins behind this digest, which need not be one of them
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`: and none is here
   */
  async referrers(repository: RepositoryName, subject: Digest, after: string): Promise<ReferrersFound> {
    const source = this.#sourceOf(repository);
    if (source === undefined || this.#offline) {
      return { referrers: this.#registry.referrers.list(repository, subject, { after }) };
    }
    return this.#lists.referrers(source, repository, subject, after);
  }

  /** Counts a blob that an upstream was not needed for. */
  found(repository: RepositoryName): void {
    if (this.hasUpstream(repository)) this.#tally.hits += 1;
  }

  /**
   * Fetches a blob or a manifest whose bytes were lost, and puts it in its place.
   *
   * @returns whether it is here now; `false`: there is no upstream, or it has not what was lost, or does not answer
   * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
   */
  async refetch(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const source = this.#sourceOf(repository);
    if (source === undefined || this.#offline) return false;
    return whetherDone(async () => {
      if ((await readLink(this.#registry.layout.revisionLink(repository, digest))) === undefined) {
        return this.#fill(source, repository, digest);
      }
      return (await this.#manifests.find(source, repository, { digest })) !== undefined;
    });
  }

  /**
   * Fetches what a manifest of a client was refused for: asked before, we have told it that this is here, as the upstream
   * has it.
   *
   * @param missing - blobs, and manifests of an index
   * @returns whether all of it is here now
   * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
   */
  async supply(repository: RepositoryName, missing: readonly Digest[]): Promise<boolean> {
    const source = this.#sourceOf(repository);
    if (source === undefined || this.#offline) return false;
    return whetherDone(async () => {
      for (const digest of missing) {
        const came =
          (await this.#fill(source, repository, digest)) ||
          (await this.#manifests.find(source, repository, { digest })) !== undefined;
        if (!came) return false;
      }
      return true;
    });
  }

  async #fill(source: Source, repository: RepositoryName, digest: Digest): Promise<boolean> {
    const blob = await this.#blobs.open(source, repository, digest);
    await this.#fills.running(digest)?.done;
    return blob !== undefined;
  }

  /** Lets a scrub bring back what it finds lost, and tells it where there is nothing to find. */
  get scrubbing(): SparseCheck {
    return {
      refetch: (repository, digest) => this.refetch(repository, digest),
      maySparse: (repository) => this.hasUpstream(repository),
    };
  }

  /** Breaks off whatever is under way. */
  async close(): Promise<void> {
    await this.#fills.close();
    await Promise.all([...this.#sources.values()].map((source) => source.close()));
  }

  /** Whether there is an upstream for a repository, dialled or not. */
  hasUpstream(repository: RepositoryName): boolean {
    return this.#sourceOf(repository) !== undefined;
  }

  #sourceForBlobs(repository: RepositoryName): Source | undefined {
    const source = this.#sourceOf(repository);
    if (source !== undefined && this.#offline) throw offline('BLOB_UNKNOWN', 'blob', repository);
    return source;
  }

  #sourceOf(repository: RepositoryName): Source | undefined {
    const slash = repository.indexOf('/');
    return slash === -1 ? undefined : this.#sources.get(repository.slice(0, slash));
  }
}

/** An upstream that has it not, or does not answer, is no failure of who only wants to know whether it came. */
async function whetherDone(work: () => Promise<boolean>): Promise<boolean> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DepotError && /^UPSTREAM_|_UNKNOWN$/.test(error.code)) return false;
    throw error;
  }
}

function offline(
  code: 'MANIFEST_UNKNOWN' | 'BLOB_UNKNOWN',
  what: string,
  repository: RepositoryName,
): DepotError {
  return new DepotError(code, `the ${what} is not here, and the registry is offline`, { name: repository });
}
