/** Manifests of repositories that have an upstream. */
import { DepotError } from '../../errors.js';
import type { Digest } from '../../oci/digest.js';
import type { Reference, RepositoryName, Tag } from '../../oci/reference.js';
import type { RegistryEvents } from '../events.js';
import type { Layout } from '../layout.js';
import type { Manifests, StoredManifest } from '../manifests.js';
import type { Tags } from '../tags.js';
import { Expiring } from './expiring.js';
import { askDigest, fetchManifest, type Haste } from './fetch-manifest.js';
import type { Tally } from './figures.js';
import type { Source } from './source.js';
import { staleWarning } from './stale-warning.js';
import { confirmTag, tagAge } from './tag-age.js';
import type { Timing } from './timing.js';

/** What pulling manifests needs. */
export interface PulledManifestParts {
  readonly layout: Layout;
  readonly manifests: Manifests;
  readonly tags: Tags;
  readonly events: RegistryEvents;
  readonly tally: Tally;
  readonly timing: Timing;
  /** How long a tag may be served that its upstream does not confirm, in milliseconds. */
  readonly staleTags: number;
}

/** A manifest, and what its reader should know. */
export interface PulledManifest {
  readonly stored: StoredManifest;
  /** Why this may not be what the upstream has now. */
  readonly warning?: string | undefined;
}

/** A tag of a repository. */
interface TagPlace {
  readonly source: Source;
  readonly repository: RepositoryName;
  readonly tag: Tag;
}

/** The manifests of all upstreams. */
export class PulledManifests {
  readonly #parts: PulledManifestParts;
  /** What an upstream has not. */
  readonly #missing = new Expiring<true>();
  /** Why a tag could not be confirmed a moment ago. */
  readonly #unconfirmed = new Expiring<DepotError>();
  readonly #asking = new Map<string, Promise<PulledManifest | undefined>>();

  constructor(parts: PulledManifestParts) {
    this.#parts = parts;
  }

  /**
   * Finds a manifest here or upstream. What is fetched is kept.
   *
   * @returns `undefined` if it is neither here nor there
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`, `DISK_FULL`
   */
  async find(
    source: Source,
    repository: RepositoryName,
    reference: Reference,
  ): Promise<PulledManifest | undefined> {
    const here = await this.#here(repository, reference);
    if (here !== undefined) {
      this.#parts.tally.hits += 1;
      return here;
    }
    const key = keyOf(repository, reference);
    const running = this.#asking.get(key);
    if (running !== undefined) return running;
    const asking = this.#ask(source, repository, reference).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  /** What needs no question. */
  async #here(repository: RepositoryName, reference: Reference): Promise<PulledManifest | undefined> {
    const { layout, manifests, timing } = this.#parts;
    if (reference.tag !== undefined) {
      const age = await tagAge(layout, repository, reference.tag);
      if (age === undefined || age >= timing.freshTag) return undefined;
    }
    const stored = await manifests.find(repository, reference);
    return stored && { stored };
  }

  async #ask(
    source: Source,
    repository: RepositoryName,
    reference: Reference,
  ): Promise<PulledManifest | undefined> {
    const { manifests, timing } = this.#parts;
    if (reference.tag !== undefined) {
      const place = { source, repository, tag: reference.tag };
      const stored = await manifests.find(repository, reference);
      if (stored !== undefined) return this.#revalidate(place, stored);
    }
    const key = keyOf(repository, reference);
    if (this.#missing.get(key)) return undefined;
    const stored = await this.#fetch(source, repository, reference, {
      tries: 3,
      withinMs: timing.manifest,
    });
    if (stored !== undefined) return { stored };
    this.#missing.set(key, true, reference.tag === undefined ? timing.missingDigest : timing.missingTag);
    return undefined;
  }

  /** A client waits, and has something that it can be given: the upstream is not asked for long. */
  async #revalidate(place: TagPlace, stored: StoredManifest): Promise<PulledManifest | undefined> {
    const { tally, timing } = this.#parts;
    const key = keyOf(place.repository, place);
    const before = this.#unconfirmed.get(key);
    if (before !== undefined) return this.#stale(place, stored, before);
    if (await this.#isSetOnce(place)) return { stored };
    tally.revalidations += 1;
    try {
      const confirmed = await this.#confirm(place, stored);
      if (confirmed !== undefined) return { stored: confirmed };
      throw new DepotError('MANIFEST_UNKNOWN', `${place.source.name} has no such tag any more`, {
        reason: 'has no such tag any more',
      });
    } catch (error) {
      if (!(error instanceof DepotError)) throw error;
      if (error.code !== 'MANIFEST_UNKNOWN') tally.errors += 1;
      this.#unconfirmed.set(key, error, timing.freshTag);
      return this.#stale(place, stored, error);
    }
  }

  /** A tag that may not move is what it is, whatever its upstream says. */
  async #isSetOnce({ repository, tag }: TagPlace): Promise<boolean> {
    return this.#parts.tags.expect(repository, tag, undefined).then(
      () => false,
      (error: unknown) => error instanceof DepotError && error.code === 'ACCESS_DENIED',
    );
  }

  /** @returns what the tag has now; `undefined` if the upstream has no such tag */
  async #confirm(place: TagPlace, stored: StoredManifest): Promise<StoredManifest | undefined> {
    const { source, repository, tag } = place;
    const { events, layout, manifests, tags, timing } = this.#parts;
    const haste = { tries: 2, withinMs: timing.revalidate };
    const digest = await askDigest(source, repository, { tag }, haste);
    if (digest === undefined) return undefined;
    if (digest === stored.digest) {
      await confirmTag(layout, repository, tag);
      return stored;
    }
    const other = digest === 'unknown' ? undefined : await manifests.find(repository, { digest });
    if (other === undefined) {
      return this.#fetch(source, repository, { tag }, haste, digest === 'unknown' ? undefined : digest);
    }
    await tags.set(repository, tag, other.digest);
    await confirmTag(layout, repository, tag);
    await events.emit({ action: 'arrive', repository, tag });
    return other;
  }

  async #stale(place: TagPlace, stored: StoredManifest, error: DepotError): Promise<PulledManifest> {
    const { layout, tally, staleTags } = this.#parts;
    const age = await tagAge(layout, place.repository, place.tag);
    if (age !== undefined && age > staleTags) throw error;
    tally.stale += 1;
    return { stored, warning: staleWarning(place.source.name, error, age) };
  }

  /** @param digest - what the reference is known to mean; then that is asked for */
  async #fetch(
    source: Source,
    repository: RepositoryName,
    reference: Reference,
    haste: Haste,
    digest?: Digest,
  ): Promise<StoredManifest | undefined> {
    const { events, layout, manifests, tally } = this.#parts;
    const wanted = digest === undefined ? reference : { digest };
    const fetched = await fetchManifest(source, repository, wanted, haste);
    if (fetched === undefined) return undefined;
    tally.misses += 1;
    tally.bytes += fetched.bytes.length;
    const { tag } = reference;
    const stored = await manifests.keep(repository, fetched.digest, {
      bytes: fetched.bytes,
      contentType: fetched.contentType,
      tags: tag === undefined ? [] : [tag],
    });
    if (tag !== undefined) {
      await confirmTag(layout, repository, tag);
      await events.emit({ action: 'arrive', repository, tag });
    }
    return stored;
  }
}

function keyOf(
  repository: RepositoryName,
  { tag, digest }: { readonly tag?: Tag | undefined; readonly digest?: Digest | undefined },
): string {
  return `${repository}:${tag ?? digest}`;
}
