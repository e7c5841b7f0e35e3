/**
 * The referrers of a subject, however they came: noted when they were pushed, found among manifests that another program wrote,
 * or listed by a client under the tag that stands in for the list where a registry has none.
 */
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { fallbackTag } from '../oci/fallback-tag.js';
import type { Descriptor } from '../oci/manifest.js';
import type { Reference, RepositoryName } from '../oci/reference.js';
import type { Manifests, StoredManifest } from './manifests.js';
import { describeReferrer, type Referrer, type Referrers } from './referrers.js';
import type { ReferrersRebuild } from './referrers-rebuild.js';

/** What of a list is wanted. */
export interface ReferrerListOptions {
  /** Begins behind this digest, which need not be one of the referrers. */
  readonly after?: string;
  /** Referrers that another registry lists. */
  readonly elsewhere?: ReadonlyMap<Digest, Referrer>;
}

/** The lists of one registry folder. */
export class ReferrerList {
  readonly #manifests: Manifests;
  readonly #noted: Referrers;
  readonly #rebuild: ReferrersRebuild;

  constructor(manifests: Manifests, noted: Referrers, rebuild: ReferrersRebuild) {
    this.#manifests = manifests;
    this.#noted = noted;
    this.#rebuild = rebuild;
  }

  /** The referrers of a subject in the order of their digests, each once; none for what nobody speaks of. */
  async *list(
    repository: RepositoryName,
    subject: Digest,
    { after = '', elsewhere }: ReferrerListOptions = {},
  ): AsyncGenerator<Referrer> {
    await this.#rebuild.fit(repository, subject);
    const listed = await this.#fallback(repository, subject);
    const noted = await this.#noted.noted(repository, subject);
    const all = new Set([...noted, ...listed.keys(), ...(elsewhere?.keys() ?? [])]);
    for (const digest of [...all].sort()) {
      if (digest <= after) continue;
      const referrer =
        (await this.#noted.read(repository, subject, digest)) ??
        (await this.#describe(repository, subject, digest, listed.get(digest))) ??
        elsewhere?.get(digest);
      if (referrer !== undefined) yield referrer;
    }
  }

  /** What a client listed, by its digest. */
  async #fallback(repository: RepositoryName, subject: Digest): Promise<Map<Digest, Descriptor>> {
    const found = await this.#find(repository, { tag: fallbackTag(subject) });
    return new Map(found?.manifest.manifests.map((entry) => [entry.digest, entry]));
  }

  /**
   * Reads the manifest itself: some clients list it without its type. A note that is broken leads here, too.
   *
   * @param entry - what a client listed; without it only a manifest that names the subject counts
   */
  async #describe(
    repository: RepositoryName,
    subject: Digest,
    digest: Digest,
    entry: Descriptor | undefined,
  ): Promise<Referrer | undefined> {
    const found = await this.#find(repository, { digest });
    if (found === undefined) return undefined;
    if (entry === undefined && found.manifest.subject?.digest !== subject) return undefined;
    const described = describeReferrer(digest, found.bytes.length, found.manifest);
    return entry?.artifactType ? { ...described, artifactType: entry.artifactType } : described;
  }

  async #find(repository: RepositoryName, reference: Reference): Promise<StoredManifest | undefined> {
    try {
      return await this.#manifests.find(repository, reference);
    } catch (error) {
      // A type that another program keeps, and that lists nothing.
      if (error instanceof DepotError && error.code === 'MANIFEST_INVALID') return undefined;
      throw error;
    }
  }
}
