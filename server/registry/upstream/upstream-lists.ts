/** Tags and referrers of repositories that have an upstream: what is here, and what the upstream has beside it. */
import type { Digest } from '../../oci/digest.js';
import { fallbackTag } from '../../oci/fallback-tag.js';
import type { RepositoryName, Tag } from '../../oci/reference.js';
import type { ReferrerList } from '../referrer-list.js';
import type { Referrer } from '../referrers.js';
import type { Tags } from '../tags.js';
import { fetchReferrers, fetchTags } from './fetch-list.js';
import { type PulledListParts, PulledLists } from './pulled-lists.js';
import type { PulledManifests } from './pulled-manifests.js';
import type { Source } from './source.js';

/** What the lists need. */
export interface UpstreamListParts extends PulledListParts {
  readonly tags: Tags;
  readonly referrers: ReferrerList;
  readonly pulled: PulledManifests;
}

/** The tags of a repository. */
export interface TagList {
  /** In the order of their bytes; `undefined` if there is no such repository. */
  readonly tags: readonly Tag[] | undefined;
  /** Why this may not be all that the upstream has. */
  readonly warning?: string | undefined;
}

/** The referrers of a subject. */
export interface ReferrersFound {
  /** In the order of their digests. */
  readonly referrers: AsyncIterable<Referrer>;
  /** Why this may not be all that the upstream has. */
  readonly warning?: string | undefined;
}

/** So many manifests of a list under a tag are fetched, whose types some clients did not write into it. */
const MOST_FETCHED = 200;

/** The lists of all upstreams. */
export class UpstreamLists {
  readonly #parts: UpstreamListParts;
  readonly #tags: PulledLists<Tag>;
  readonly #referrers: PulledLists<Referrer>;

  constructor(parts: UpstreamListParts) {
    this.#parts = parts;
    this.#tags = new PulledLists(parts);
    this.#referrers = new PulledLists(parts);
  }

  /** @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`: and nothing is here */
  async tags(source: Source, repository: RepositoryName): Promise<TagList> {
    const here = await this.#parts.tags.list(repository);
    const { items, warning } = await this.#tags.find({
      key: repository,
      upstream: source.name,
      isHere: async () => here !== undefined,
      fetch: (haste) => fetchTags(source, repository, haste),
    });
    if (here === undefined && items === undefined) return { tags: undefined };
    return { tags: [...new Set([...(here ?? []), ...(items ?? [])])].sort(), warning };
  }

  /**
   * @param after - begins behind this digest
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`: and none is here
   */
  async referrers(
    source: Source,
    repository: RepositoryName,
    subject: Digest,
    after: string,
  ): Promise<ReferrersFound> {
    const { referrers } = this.#parts;
    const { items = [], warning } = await this.#referrers.find({
      key: `${repository}@${subject}`,
      upstream: source.name,
      isHere: () => hasAny(referrers.list(repository, subject)),
      fetch: async (haste) =>
        (await fetchReferrers(source, repository, subject, haste)) ??
        (await this.#fallback(source, repository, subject)),
    });
    const elsewhere = new Map(items.map((referrer) => [referrer.digest, referrer]));
    return { referrers: referrers.list(repository, subject, { after, elsewhere }), warning };
  }

  /** A registry without such lists may have one under a tag. It is kept with what it lists, and then found here. */
  async #fallback(source: Source, repository: RepositoryName, subject: Digest): Promise<undefined> {
    const { pulled } = this.#parts;
    const found = await pulled.find(source, repository, { tag: fallbackTag(subject) });
    for (const { digest } of found?.stored.manifest.manifests.slice(0, MOST_FETCHED) ?? []) {
      await pulled.find(source, repository, { digest });
    }
  }
}

async function hasAny(all: AsyncIterable<unknown>): Promise<boolean> {
  for await (const _ of all) return true;
  return false;
}
