/**
 * The tree of files that the layers of an image make: names in directories, each bound to a record (an inode). Nodes and
 * names are numbers in columns and bytes in a pool, so that a million of them fit into little memory.
 */
import { Column } from './column.js';
import { NameHash } from './name-hash.js';
import { TextPool } from './text-pool.js';

/** A place in the tree; 0 is none. */
export type Node = number;

/** The node of the root directory. */
export const ROOT: Node = 1;

const FIRST_BUCKETS = 1024;
/** What a length is cut to: no path may be so long. */
const LONGEST = 0xffff;

/** Names and what they are bound to. Nothing here knows what a record is. */
export class FileTree {
  readonly #names = new TextPool();
  readonly #hash = new NameHash();
  readonly #name = new Column(Uint32Array);
  readonly #parent = new Column(Uint32Array);
  readonly #record = new Column(Uint32Array);
  readonly #firstChild = new Column(Uint32Array);
  readonly #next = new Column(Uint32Array);
  readonly #previous = new Column(Uint32Array);
  /** Nodes of one bucket of the table by parent and name. */
  readonly #nextInBucket = new Column(Uint32Array);
  readonly #length = new Column(Uint16Array);
  #buckets = new Uint32Array(FIRST_BUCKETS);
  #nodes = ROOT;
  #pathBytes = 0;
  /** The directory whose path was built last: most nodes lie in the one of their predecessor. */
  #known: { readonly directory: Node; readonly path: string } = { directory: ROOT, path: '' };

  /** How many nodes were ever made; what was removed counts. */
  get size(): number {
    return this.#nodes;
  }

  /** Bytes of the paths of all nodes that were ever made. */
  get pathBytes(): number {
    return this.#pathBytes;
  }

  /** @returns the node of that name in a directory, or 0 */
  find(parent: Node, name: string): Node {
    let node = this.#buckets[this.#bucketOf(parent, name)] ?? 0;
    while (node !== 0) {
      if (this.#parent.get(node) === parent && this.#names.equals(this.#name.get(node), name)) return node;
      node = this.#nextInBucket.get(node);
    }
    return 0;
  }

  /** Makes a node in a directory that has none of that name. */
  add(parent: Node, name: string, record: number): Node {
    this.#nodes += 1;
    const node = this.#nodes;
    if (node > this.#buckets.length) this.#rehash();
    this.#name.set(node, this.#names.add(name));
    this.#parent.set(node, parent);
    this.#record.set(node, record);
    const length = this.#length.get(parent) + 1 + name.length;
    this.#length.set(node, Math.min(length, LONGEST));
    this.#pathBytes += length;
    const sibling = this.#firstChild.get(parent);
    this.#next.set(node, sibling);
    if (sibling !== 0) this.#previous.set(sibling, node);
    this.#firstChild.set(parent, node);
    this.#intoBucket(node, name);
    return node;
  }

  /** Takes a node out, and with it in one step all that is below. */
  remove(node: Node): void {
    const [previous, next] = [this.#previous.get(node), this.#next.get(node)];
    if (previous === 0) this.#firstChild.set(this.#parent.get(node), next);
    else this.#next.set(previous, next);
    if (next !== 0) this.#previous.set(next, previous);
    this.#outOfBucket(node);
  }

  recordOf(node: Node): number {
    return this.#record.get(node);
  }

  bind(node: Node, record: number): void {
    this.#record.set(node, record);
  }

  /** The nodes in a directory, in no order that means anything. */
  *childrenOf(directory: Node): Generator<Node> {
    let node = this.#firstChild.get(directory);
    while (node !== 0) {
      const next = this.#next.get(node);
      yield node;
      node = next;
    }
  }

  /** Sorts nodes by their names, byte by byte. */
  sortByName(nodes: Node[]): Node[] {
    return nodes.sort((one, other) => this.#names.compare(this.#name.get(one), this.#name.get(other)));
  }

  /** Bytes of a node's path, a slash before each name. */
  lengthOf(node: Node): number {
    return this.#length.get(node);
  }

  /** The path from the root, without a slash at either end; empty for the root. */
  pathOf(node: Node): string {
    if (node === ROOT) return '';
    const directory = this.#parent.get(node);
    const name = this.#names.get(this.#name.get(node));
    if (this.#known.directory !== directory) this.#known = { directory, path: this.#wayTo(directory) };
    return this.#known.path === '' ? name : `${this.#known.path}/${name}`;
  }

  #wayTo(node: Node): string {
    const names: string[] = [];
    for (let here = node; here !== ROOT; here = this.#parent.get(here)) {
      names.push(this.#names.get(this.#name.get(here)));
    }
    return names.reverse().join('/');
  }

  #bucketOf(parent: Node, name: string): number {
    return this.#hash.of(parent, name) & (this.#buckets.length - 1);
  }

  #intoBucket(node: Node, name: string): void {
    const bucket = this.#bucketOf(this.#parent.get(node), name);
    this.#nextInBucket.set(node, this.#buckets[bucket] ?? 0);
    this.#buckets[bucket] = node;
  }

  #outOfBucket(node: Node): void {
    const bucket = this.#bucketOf(this.#parent.get(node), this.#names.get(this.#name.get(node)));
    const after = this.#nextInBucket.get(node);
    let before = this.#buckets[bucket] ?? 0;
    if (before === node) {
      this.#buckets[bucket] = after;
      return;
    }
    while (before !== 0 && this.#nextInBucket.get(before) !== node) before = this.#nextInBucket.get(before);
    if (before !== 0) this.#nextInBucket.set(before, after);
  }

  /** What was removed is left behind: nothing looks for the children of a node that nothing leads to. */
  #rehash(): void {
    const old = this.#buckets;
    this.#buckets = new Uint32Array(old.length * 2);
    for (const head of old) {
      let node = head;
      while (node !== 0) {
        const next = this.#nextInBucket.get(node);
        this.#intoBucket(node, this.#names.get(this.#name.get(node)));
        node = next;
      }
    }
  }
}
