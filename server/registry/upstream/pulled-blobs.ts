/** Blobs of repositories that have an upstream, and that are not here. */
import { DepotError } from '../../errors.js';
import type { Digest } from '../../oci/digest.js';
import type { RepositoryName } from '../../oci/reference.js';
import type { Blobs } from '../blobs.js';
import type { Content, StoredContent } from '../content.js';
import { Expiring } from './expiring.js';
import type { Tally } from './figures.js';
import type { ColdBlob, Fill } from './fill.js';
import type { Fills } from './fills.js';
import { remoteName } from './names.js';
import type { Source } from './source.js';
import type { Timing } from './timing.js';

/** What pulling blobs needs. */
export interface PulledBlobParts {
  readonly blobs: Blobs;
  readonly content: Content;
  readonly fills: Fills;
  readonly tally: Tally;
  readonly timing: Timing;
}

/** A blob that is here by now, or on its way. */
export type PulledBlob =
  | { readonly here: StoredContent; readonly coming?: undefined }
  | { readonly coming: ColdBlob; readonly here?: undefined };

/** The blobs of all upstreams. */
export class PulledBlobs {
  readonly #parts: PulledBlobParts;
  /** Bytes of blobs by repository and digest; `undefined` inside: the upstream has no such blob. */
  readonly #sizes = new Expiring<{ readonly size: number | undefined }>();

  constructor(parts: PulledBlobParts) {
    this.#parts = parts;
  }

  /**
   * Asks how long a blob is, without fetching it.
   *
   * @returns bytes; `undefined` if the upstream has no such blob
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`
   */
  async size(source: Source, repository: RepositoryName, digest: Digest): Promise<number | undefined> {
    const running = this.#parts.fills.running(digest);
    if (running?.repositories.has(repository)) return (await running.opened).size;
    const key = keyOf(repository, digest);
    const known = this.#sizes.get(key);
    if (known !== undefined) return known.size;
    const { timing } = this.#parts;
    const answer = await source.ask({
      method: 'HEAD',
      name: remoteName(source.name, repository),
      what: `blobs/${digest}`,
      verified: true,
      tries: 3,
      signal: AbortSignal.timeout(timing.manifest),
    });
    answer?.reply.drop();
    const size = answer && Number(answer.reply.headers['content-length'] ?? 0);
    this.#sizes.set(key, { size }, timing.missingDigest);
    return size;
  }

  /**
   * Fetches a blob, if nobody is fetching it, and gives it while it comes.
   *
   * @returns when its length is known; `undefined` if the upstream has no such blob
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`, `DISK_FULL`
   */
  async open(source: Source, repository: RepositoryName, digest: Digest): Promise<PulledBlob | undefined> {
    const known = this.#sizes.get(keyOf(repository, digest));
    if (known !== undefined && known.size === undefined) return undefined;
    const { content, fills } = this.#parts;
    const elsewhere = await content.find(digest);
    const running = fills.running(digest);
    if (running?.repositories.has(repository)) return this.#coming(running, repository, digest);
    if (elsewhere === undefined && running === undefined) return this.#begin(source, repository, digest);
    // The bytes came for another repository. Whether they are this one's, too, the upstream has to say.
    if ((await this.size(source, repository, digest)) === undefined) return undefined;
    return this.#share(source, repository, digest);
  }

  #begin(source: Source, repository: RepositoryName, digest: Digest): Promise<PulledBlob | undefined> {
    const { fills, tally } = this.#parts;
    tally.misses += 1;
    const fill = fills.start(source, repository, digest);
    fill.done.catch(() => {
      tally.errors += 1;
    });
    return this.#coming(fill, repository, digest);
  }

  async #share(source: Source, repository: RepositoryName, digest: Digest): Promise<PulledBlob | undefined> {
    const { blobs, fills, tally } = this.#parts;
    const running = fills.running(digest);
    if (running !== undefined) {
      running.repositories.add(repository);
      return this.#coming(running, repository, digest);
    }
    await blobs.mount(repository, digest, undefined);
    const here = await blobs.find(repository, digest);
    if (here === undefined) return this.#begin(source, repository, digest);
    tally.hits += 1;
    return { here };
  }

  async #coming(fill: Fill, repository: RepositoryName, digest: Digest): Promise<PulledBlob | undefined> {
    try {
      return { coming: await fill.opened };
    } catch (error) {
      if (!(error instanceof DepotError) || error.code !== 'BLOB_UNKNOWN') throw error;
      this.#sizes.set(keyOf(repository, digest), { size: undefined }, this.#parts.timing.missingDigest);
      return undefined;
    }
  }
}

function keyOf(repository: RepositoryName, digest: Digest): string {
  return `${repository}@${digest}`;
}
