/** One repository that is copied from. */
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { fallbackTag } from '../oci/fallback-tag.js';
import { type Descriptor, parseManifest } from '../oci/manifest.js';
import { OCI_INDEX } from '../oci/media-type.js';
import { parseRepositoryName, type Reference, type RepositoryName, type Tag } from '../oci/reference.js';
import { BlobTransfer } from '../registry/upstream/blob-transfer.js';
import { upstreamFailed } from '../registry/upstream/failures.js';
import { fetchReferrers, fetchTags, type ListHaste } from '../registry/upstream/fetch-list.js';
import { askDigest, type FetchedManifest, fetchManifest } from '../registry/upstream/fetch-manifest.js';
import { folderName, remoteName } from '../registry/upstream/names.js';
import type { Source } from '../registry/upstream/source.js';
import type { Timing } from '../registry/upstream/timing.js';

/** How often each thing is asked for: nobody waits in front of a mirror, and registries have bad moments. */
const TRIES = 6;

/** What a mirror takes its time for, other than a registry that a client waits for. */
export const MIRROR_TIMING = {
  headers: 60_000,
  manifest: 15 * 60_000,
  backoff: 500,
  patience: 10 * 60_000,
  rest: 0,
} as const satisfies Partial<Timing>;

/** A repository of another registry. */
export class Origin {
  readonly #source: Source;
  readonly #repository: RepositoryName;
  readonly #timing: Timing;
  readonly #signal: AbortSignal;

  /**
   * @param repository - as its registry calls it
   * @throws DepotError `NAME_INVALID`: together with the registry's name it is too long
   */
  constructor(source: Source, repository: string, timing: Timing, signal: AbortSignal) {
    this.#source = source;
    this.#repository = parseRepositoryName(`${source.folder}/${repository}`);
    this.#timing = timing;
    this.#signal = signal;
  }

  /** What a tag has; `'unknown'` if the registry does not say without sending it. */
  digestOf(tag: Tag): Promise<Digest | 'unknown' | undefined> {
    return askDigest(this.#source, this.#repository, { tag }, this.#haste);
  }

  /** A manifest, checked. @throws DepotError `MANIFEST_UNKNOWN`; `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT` */
  async manifest(reference: Reference): Promise<FetchedManifest> {
    const found = await this.find(reference);
    if (found !== undefined) return found;
    const what = reference.digest ?? reference.tag;
    throw new DepotError('MANIFEST_UNKNOWN', `${folderName(this.#source.name)} has no ${this.#name}:${what}`);
  }

  /** The same; `undefined` if the registry has it not. */
  find(reference: Reference): Promise<FetchedManifest | undefined> {
    return fetchManifest(this.#source, this.#repository, reference, this.#haste);
  }

  /** The bytes of a blob from an offset on, not checked yet. */
  blob({ digest, size }: Descriptor, start: number): AsyncIterable<Uint8Array> {
    const transfer = new BlobTransfer({
      source: this.#source,
      name: this.#name,
      digest,
      start,
      size,
      tries: TRIES,
      backoff: this.#timing.backoff,
      signal: this.#signal,
      onBytes: () => undefined,
    });
    return transfer.chunks(async () => undefined);
  }

  /** Who sends other bytes than were asked for. */
  wrongBytes(): DepotError {
    return upstreamFailed(this.#source.name, 'sent other bytes than were asked for');
  }

  /** @throws DepotError `NAME_UNKNOWN`; `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT` */
  async tags(): Promise<readonly Tag[]> {
    const tags = await fetchTags(this.#source, this.#repository, this.#haste);
    if (tags !== undefined) return tags.items;
    throw new DepotError('NAME_UNKNOWN', `${this.#source.name} has no repository ${this.#name}`);
  }

  /** The manifests that speak of another one: asked for, or listed under a tag where the registry has no answer. */
  async referrers(subject: Digest): Promise<readonly Digest[]> {
    const listed = await fetchReferrers(this.#source, this.#repository, subject, this.#haste);
    if (listed !== undefined) return listed.items.map(({ digest }) => digest);
    const bytes = (await this.find({ tag: fallbackTag(subject) }))?.bytes;
    return bytes === undefined ? [] : parseManifest(bytes, OCI_INDEX).manifests.map(({ digest }) => digest);
  }

  get #name(): string {
    return remoteName(this.#source.name, this.#repository);
  }

  get #haste(): ListHaste {
    const { manifest } = this.#timing;
    return { tries: TRIES, withinMs: manifest, allWithinMs: manifest, signal: this.#signal };
  }
}
