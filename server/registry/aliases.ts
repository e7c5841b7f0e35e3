/**
 * SHA-512 names as the reference leaves them: its link `sha512/<hex>` says `sha256:…`, where the bytes are. Its own garbage
 * collection and its mounts do not know such links for what they are, so the bytes get the SHA-512 name in earnest.
 */
import { link as hardLink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryName } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { systemCode } from '../errors.js';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { hashFile } from '../stream/hash-file.js';
import type { Content, StoredContent } from './content.js';
import type { Layout } from './layout.js';
import { writeLink } from './links.js';

/** The links of one registry folder whose text is another digest than their name. */
export class Aliases {
  readonly #layout: Layout;
  readonly #content: Content;
  /** What is being read now: many ask for a layer at once. */
  readonly #open = new Map<Digest, Promise<StoredContent | undefined>>();

  constructor(layout: Layout, content: Content) {
    this.#layout = layout;
    this.#content = content;
  }

  /**
   * Makes a link say its own digest.
   *
   * @param link - the file
   * @param digest - its name
   * @param linked - its text
   * @returns the bytes; `undefined` if they are not here, or are not those of `digest`
   */
  async resolve(link: string, digest: Digest, linked: Digest): Promise<StoredContent | undefined> {
    let work = this.#open.get(digest);
    if (work === undefined) {
      work = this.#adopt(digest, linked).finally(() => this.#open.delete(digest));
      this.#open.set(digest, work);
    }
    const found = await work;
    if (found?.digest === digest) await writeLink(this.#layout, link, digest);
    return found;
  }

  /** Both names are of one file: damage that is found under one is looked for under the other, whose change time it moves. */
  async #adopt(digest: Digest, linked: Digest): Promise<StoredContent | undefined> {
    const here = await this.#content.find(digest);
    if (here !== undefined) return here;
    const source = await this.#content.find(linked);
    if (source === undefined) return undefined;
    const { hashes } = await hashFile(source.path, [algorithmOf(digest), algorithmOf(linked)]);
    const matches = (name: Digest) => hashes.get(algorithmOf(name))?.copy().digest('hex') === hexOf(name);
    if (!matches(linked)) await this.#content.quarantine(source);
    if (!matches(linked) || !matches(digest)) return undefined;
    return (await this.#name(source.path, digest)) ? this.#content.find(digest) : source;
  }

  /** @returns whether the file system could: not all of them know two names for one file */
  async #name(path: string, digest: Digest): Promise<boolean> {
    await makeDurableFolder(this.#layout.stage);
    const staged = join(this.#layout.stage, temporaryName());
    try {
      await hardLink(path, staged);
      await this.#content.place(digest, staged);
      return true;
    } catch (error) {
      if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].includes(systemCode(error) ?? '')) return false;
      throw error;
    } finally {
      await rm(staged, { force: true });
    }
  }
}
