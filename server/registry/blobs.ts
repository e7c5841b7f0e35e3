/** Blobs of a repository: content that a link makes its own. */
import { dirname } from 'node:path';
import type { Watch } from '../disk/known-files.js';
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { RepositoryName } from '../oci/reference.js';
import { Aliases } from './aliases.js';
import type { Content, StoredContent } from './content.js';
import type { Layout } from './layout.js';
import { tryLeases } from './leases.js';
import { readLink, readLinkOf, writeLink } from './links.js';
import { isNeeded } from './needed.js';
import { throwAway } from './trash.js';

/** The blobs of one registry folder. */
export class Blobs {
  readonly #layout: Layout;
  readonly #content: Content;
  readonly #aliases: Aliases;

  constructor(layout: Layout, content: Content) {
    this.#layout = layout;
    this.#content = content;
    this.#aliases = new Aliases(layout, content);
  }

  /**
   * Finds a blob; `undefined` if the repository has it not, or its bytes are gone. Where the reference linked a SHA-512 to
   * the same bytes under their SHA-256, they are given their own name first.
   *
   * @param watch - told of each file that the answer rests on
   */
  async find(repository: RepositoryName, digest: Digest, watch?: Watch): Promise<StoredContent | undefined> {
    const link = this.#layout.layerLink(repository, digest);
    await watch?.(link);
    const linked = await readLinkOf(digest, link);
    if (linked === undefined) return undefined;
    if (linked !== digest) return this.#aliases.resolve(link, digest, linked);
    await watch?.(this.#layout.data(digest));
    return this.#content.find(digest);
  }

  /** The first of some repositories that has a blob. */
  async firstWith(
    digest: Digest,
    repositories: readonly RepositoryName[],
  ): Promise<RepositoryName | undefined> {
    for (const name of repositories) if ((await this.find(name, digest)) !== undefined) return name;
    return undefined;
  }

  /**
   * The same for a client that asks before it pushes: what it is told to be here stays for as long as the grace of the
   * garbage collection says.
   */
  async findForPush(repository: RepositoryName, digest: Digest): Promise<StoredContent | undefined> {
    await tryLeases(this.#layout, [this.#layout.layerLink(repository, digest)]);
    return this.find(repository, digest);
  }

  /**
   * Makes a blob of one repository a blob of another one.
   *
   * @param from - the repository that has it; where nobody says, any content of that digest will do
   * @returns whether there was one
   */
  async mount(
    repository: RepositoryName,
    digest: Digest,
    from: RepositoryName | undefined,
  ): Promise<boolean> {
    // A name that only the reference understands is made a real one first.
    if (from !== undefined && (await this.find(from, digest)) === undefined) return false;
    const linked =
      from === undefined ? digest : await readLinkOf(digest, this.#layout.layerLink(from, digest));
    if (linked === undefined) return false;
    await this.#content.lease(linked);
    if ((await this.#content.find(linked)) === undefined) return false;
    await writeLink(this.#layout, this.#layout.layerLink(repository, digest), linked);
    return true;
  }

  /**
   * Takes a blob from a repository. Its bytes stay for those that have it too.
   *
   * @throws DepotError `BLOB_UNKNOWN`; `METHOD_NOT_ALLOWED`: a manifest of the repository needs it
   */
  async remove(repository: RepositoryName, digest: Digest): Promise<void> {
    const link = this.#layout.layerLink(repository, digest);
    if ((await readLink(link)) === undefined) {
      throw new DepotError('BLOB_UNKNOWN', 'the repository has no such blob', { digest });
    }
    if (await isNeeded(this.#layout, repository, digest)) {
      throw new DepotError('METHOD_NOT_ALLOWED', 'a manifest needs the blob: delete that first', { digest });
    }
    await throwAway(this.#layout, dirname(link));
  }
}
