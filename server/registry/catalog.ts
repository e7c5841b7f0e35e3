/** Which repositories there are. Docker registry HTTP API V2, "Listing Repositories". */
import { join } from 'node:path';
import { foldersIn } from '../disk/folders.js';
import { isRepositoryName, parseRepositoryName, type RepositoryName } from '../oci/reference.js';
import type { Layout } from './layout.js';

/** The repositories of one registry folder. */
export class Catalog {
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** All repositories that have manifests, in the order of their bytes. Only folders are looked at, never content. */
  async list(): Promise<RepositoryName[]> {
    const names = await this.#having((folders) => folders.includes('_manifests'));
    return names.filter(isRepositoryName);
  }

  /**
   * All repositories, also those to which nothing but blobs or parts of them have come.
   *
   * @throws DepotError `NAME_INVALID`: a folder that looks like a repository has a name that none can have
   */
  async listAll(): Promise<RepositoryName[]> {
    const names = await this.#having((folders) => folders.some((folder) => folder.startsWith('_')));
    return names.map(parseRepositoryName);
  }

  async #having(wanted: (folders: readonly string[]) => boolean): Promise<string[]> {
    const found: string[] = [];
    const open = [''];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      const folders = await foldersIn(join(this.#layout.repositories, name));
      if (name !== '' && wanted(folders)) found.push(name);
      const prefix = name === '' ? '' : `${name}/`;
      open.push(...folders.filter((folder) => !folder.startsWith('_')).map((folder) => prefix + folder));
    }
    return found.sort();
  }
}
