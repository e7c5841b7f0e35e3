/** Tags: names that can be moved from one manifest to another, one of which they have at any instant. */
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, temporaryName } from '../disk/atomic-file.js';
import { foldersIn, makeDurableFolder } from '../disk/folders.js';
import { DepotError, fileError, isMissing, systemCode } from '../errors.js';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { isTag, type RepositoryName, type Tag } from '../oci/reference.js';
import type { RefuseChange } from './immutable-tags.js';
import type { Layout } from './layout.js';
import { takeLeases } from './leases.js';
import { readLink, writeLink } from './links.js';
import type { Precondition } from './precondition.js';
import { throwAway } from './trash.js';
import { Turns } from './turns.js';

/** The tags of one registry folder. */
export class Tags {
  readonly #layout: Layout;
  readonly #refuseChange: RefuseChange;
  readonly #turns = new Turns();

  constructor(layout: Layout, refuseChange: RefuseChange) {
    this.#layout = layout;
    this.#refuseChange = refuseChange;
  }

  /** The manifest that a tag has now; `undefined` if there is no such tag. */
  current(repository: RepositoryName, tag: Tag): Promise<Digest | undefined> {
    return readLink(this.#layout.tagLink(repository, tag));
  }

  /** All tags of a repository in the order of their bytes; `undefined` if there is no such repository. */
  async list(repository: RepositoryName): Promise<Tag[] | undefined> {
    try {
      const names = await readdir(this.#layout.tags(repository));
      // Tags are ASCII, where the order of code units is that of bytes.
      return names.filter(isTag).sort();
    } catch (error) {
      if (!isMissing(error)) throw fileError(error, 'the tags');
      // Manifests may have been pushed by their digests alone.
      const folders = await foldersIn(this.#layout.repository(repository));
      return folders.includes('_manifests') ? [] : undefined;
    }
  }

  /**
   * Whether a tag could be changed now, for who wants to know before there is work to do.
   *
   * @param digest - what it would have; `undefined`: it would be removed
   * @returns what it has
   * @throws DepotError `ACCESS_DENIED`: it is set once; `PRECONDITION_FAILED`
   */
  async expect(
    repository: RepositoryName,
    tag: Tag,
    digest: Digest | undefined,
    precondition?: Precondition,
  ): Promise<Digest | undefined> {
    const current = await this.current(repository, tag);
    precondition?.(current);
    this.#refuseChange(repository, tag, current, digest);
    return current;
  }

  /**
   * Sets a tag, which exists whole or not at all, with its old manifest or the new one.
   *
   * @throws DepotError as {@link expect}
   */
  async set(
    repository: RepositoryName,
    tag: Tag,
    digest: Digest,
    precondition?: Precondition,
  ): Promise<void> {
    await this.#alone(repository, tag, async () => {
      const current = await this.expect(repository, tag, digest, precondition);
      if (current === undefined && (await this.#make(repository, tag, digest))) return;
      await this.#write(this.#layout.tag(repository, tag), digest);
    });
  }

  /** The folder of tags may hold nothing but tags, so a new one is made elsewhere and moved in. */
  async #make(repository: RepositoryName, tag: Tag, digest: Digest): Promise<boolean> {
    const staged = join(this.#layout.stage, temporaryName());
    try {
      await this.#write(staged, digest);
      await makeDurableFolder(this.#layout.tags(repository));
      await rename(staged, this.#layout.tag(repository, tag));
      await syncFolder(this.#layout.tags(repository));
      return true;
    } catch (error) {
      await rm(staged, { recursive: true, force: true });
      const code = systemCode(error);
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
      throw fileError(error, 'the tag');
    }
  }

  /** What a tag had is noted before what it has. */
  async #write(folder: string, digest: Digest): Promise<void> {
    const noted = join(folder, 'index', algorithmOf(digest), hexOf(digest), 'link');
    await writeLink(this.#layout, noted, digest);
    await writeLink(this.#layout, join(folder, 'current/link'), digest);
  }

  /**
   * Removes a tag. Its manifest stays, with a new lease: it has lost its tag only now.
   *
   * @param only - the manifest it must have; with any other one it stays, and it may be gone already
   * @throws DepotError `MANIFEST_UNKNOWN`: there is no such tag; `ACCESS_DENIED`: it is set once
   */
  async remove(repository: RepositoryName, tag: Tag, only?: Digest): Promise<void> {
    await this.#alone(repository, tag, async () => {
      const current = await this.current(repository, tag);
      if (only !== undefined && current !== only) return;
      if (current === undefined) {
        throw new DepotError('MANIFEST_UNKNOWN', 'the repository has no such tag', { tag });
      }
      this.#refuseChange(repository, tag, current, undefined);
      await takeLeases(this.#layout, [this.#layout.revisionLink(repository, current)]);
      await throwAway(this.#layout, this.#layout.tag(repository, tag));
    });
  }

  #alone<T>(repository: RepositoryName, tag: Tag, work: () => Promise<T>): Promise<T> {
    return this.#turns.run(`${repository}:${tag}`, work);
  }

  /** The tags that have a manifest now. */
  async pointingAt(repository: RepositoryName, digest: Digest): Promise<Tag[]> {
    const all = (await this.list(repository)) ?? [];
    const pointing: Tag[] = [];
    for (const tag of all) if ((await this.current(repository, tag)) === digest) pointing.push(tag);
    return pointing;
  }
}
