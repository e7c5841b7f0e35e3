/** Which repositories there are. Docker registry HTTP API V2, "Listing Repositories". */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isRepositoryName, type RepositoryName } from '../oci/reference.js';
import type { Layout } from './layout.js';

/** The repositories of one registry folder. */
export class Catalog {
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** All repositories that have manifests, in the order of their bytes. Only folders are looked at, never content. */
  async list(): Promise<RepositoryName[]> {
    const found: RepositoryName[] = [];
    const open = [''];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      const folders = await foldersIn(join(this.#layout.repositories, name));
      if (folders.includes('_manifests') && isRepositoryName(name)) found.push(name);
      const prefix = name === '' ? '' : `${name}/`;
      open.push(...folders.filter((folder) => !folder.startsWith('_')).map((folder) => prefix + folder));
    }
    return found.sort();
  }
}

async function foldersIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}
