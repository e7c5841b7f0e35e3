/** Tags: names that can be moved from one manifest to another, one of which they have at any instant. */
import { randomUUID } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { DepotError, fileError, systemCode } from '../errors.js';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { isTag, type RepositoryName, type Tag } from '../oci/reference.js';
import type { Layout } from './layout.js';
import { readLink, writeLink } from './links.js';
import { throwAway } from './trash.js';

/** The tags of one registry folder. */
export class Tags {
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
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
      if (systemCode(error) === 'ENOENT') return undefined;
      throw fileError(error, 'the tags');
    }
  }

  /** Sets a tag, which exists whole or not at all, with its old manifest or the new one. */
  async set(repository: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    const place = this.#layout.tag(repository, tag);
    if ((await this.current(repository, tag)) === undefined && (await this.#make(repository, tag, digest))) {
      return;
    }
    await writeTag(place, digest);
  }

  /** The folder of tags may hold nothing but tags, so a new one is made elsewhere and moved in. */
  async #make(repository: RepositoryName, tag: Tag, digest: Digest): Promise<boolean> {
    const staged = this.#layout.own('stage', randomUUID());
    await writeTag(staged, digest);
    await makeDurableFolder(this.#layout.tags(repository));
    try {
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

  /** @throws DepotError `MANIFEST_UNKNOWN` */
  async remove(repository: RepositoryName, tag: Tag): Promise<void> {
    if ((await this.current(repository, tag)) === undefined) {
      throw new DepotError('MANIFEST_UNKNOWN', 'the repository has no such tag', { tag });
    }
    await throwAway(this.#layout, this.#layout.tag(repository, tag));
  }

  /** The tags that have a manifest now. */
  async pointingAt(repository: RepositoryName, digest: Digest): Promise<Tag[]> {
    const all = (await this.list(repository)) ?? [];
    const pointing: Tag[] = [];
    for (const tag of all) if ((await this.current(repository, tag)) === digest) pointing.push(tag);
    return pointing;
  }
}

/** What a tag had is noted before what it has. */
async function writeTag(folder: string, digest: Digest): Promise<void> {
  await writeLink(join(folder, 'index', algorithmOf(digest), hexOf(digest), 'link'), digest);
  await writeLink(join(folder, 'current/link'), digest);
}
