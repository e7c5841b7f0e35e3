/** What the entries of an archive make when they are unpacked: names, and what they lead to. */
import type { TarEntry } from '../stream/tar-entry.js';
import { cleanPath } from './archive.js';

/** What a name leads to; hard links to each other lead to one. */
export interface AciNode {
  readonly entry: TarEntry;
  /** Which entry of the archive it is, from 0. */
  readonly index: number;
}

/** The names of an archive that is passing by. A name that comes twice leads to what came last. */
export class AciTree {
  readonly #nodes = new Map<string, AciNode>();
  #count = 0;

  /** By path, as {@link cleanPath} gives it. */
  get nodes(): ReadonlyMap<string, AciNode> {
    return this.#nodes;
  }

  /** Takes the next entry. @returns what its name leads to; a hard link to nothing leads to itself */
  add(entry: TarEntry): AciNode {
    const own = { entry, index: this.#count };
    this.#count += 1;
    if (entry.type === 'global-header') return own;
    const linked = entry.type === 'hard-link' ? this.#nodes.get(cleanPath(entry.linkName)) : undefined;
    this.#nodes.set(cleanPath(entry.name), linked ?? own);
    return linked ?? own;
  }
}
