/** Blobs of a repository: content that a link makes its own. */
import { dirname } from 'node:path';
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { RepositoryName } from '../oci/reference.js';
import type { Content, StoredContent } from './content.js';
import type { Layout } from './layout.js';
import { tryLeases } from './leases.js';
import { readLink, writeLink } from './links.js';
import { throwAway } from './trash.js';

/** The blobs of one registry folder. */
export class Blobs {
  readonly #layout: Layout;
  readonly #content: Content;

  constructor(layout: Layout, content: Content) {
    this.#layout = layout;
    this.#content = content;
  }

  /**
   * Finds a blob; `undefined` if the repository has it not, or its bytes are gone. The reference links a SHA-512 to the
   * same bytes under their SHA-256, so the content's digest may be another one than was asked for.
   */
  async find(repository: RepositoryName, digest: Digest): Promise<StoredContent | undefined> {
    const linked = await readLink(this.#layout.layerLink(repository, digest));
    return linked === undefined ? undefined : this.#content.find(linked);
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
    const linked = from === undefined ? digest : await readLink(this.#layout.layerLink(from, digest));
    if (linked === undefined) return false;
    await this.#content.lease(linked);
    if ((await this.#content.find(linked)) === undefined) return false;
    await writeLink(this.#layout, this.#layout.layerLink(repository, digest), linked);
    return true;
  }

  /**
   * Takes a blob from a repository. Its bytes stay for those that have it too.
   *
   * @throws DepotError `BLOB_UNKNOWN`
   */
  async remove(repository: RepositoryName, digest: Digest): Promise<void> {
    const link = this.#layout.layerLink(repository, digest);
    if ((await readLink(link)) === undefined) {
      throw new DepotError('BLOB_UNKNOWN', 'the repository has no such blob', { digest });
    }
    await throwAway(this.#layout, dirname(link));
  }
}
