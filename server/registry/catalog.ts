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
    const names = await this.#all((folders) => folders.includes('_manifests'));
    return names.filter(isRepositoryName);
  }

  /**
   * All repositories, also those to which nothing but blobs or parts of them have come.
   *
   * @throws DepotError `NAME_INVALID`: a folder that looks like a repository has a name that none can have
   */
  async listAll(): Promise<RepositoryName[]> {
    const names = await this.#all((folders) => folders.some((folder) => folder.startsWith('_')));
    return names.map(parseRepositoryName);
  }

  /**
   * Any one of the repositories that have manifests and whose names begin with a name and a slash.
   *
   * @param below - a part of a repository's name; empty: anywhere
   * @param isWanted - which of them will do
   */
  async find(
    below: RepositoryName | '',
    isWanted: (name: RepositoryName) => boolean,
  ): Promise<RepositoryName | undefined> {
    for await (const { name, folders } of this.#walk(below)) {
      const isChild = name !== below && folders.includes('_manifests');
      if (isChild && isRepositoryName(name) && isWanted(name)) return name;
    }
    return undefined;
  }

  async #all(wanted: (folders: readonly string[]) => boolean): Promise<string[]> {
    const found: string[] = [];
    for await (const { name, folders } of this.#walk(''))
      if (name !== '' && wanted(folders)) found.push(name);
    return found.sort();
  }

  async *#walk(
    below: string,
  ): AsyncGenerator<{ readonly name: string; readonly folders: readonly string[] }> {
    const open = [below];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      const folders = await foldersIn(join(this.#layout.repositories, name));
      yield { name, folders };
      const prefix = name === '' ? '' : `${name}/`;
      open.push(...folders.filter((folder) => !folder.startsWith('_')).map((folder) => prefix + folder));
    }
  }
}
