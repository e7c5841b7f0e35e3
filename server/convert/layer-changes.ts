/**
 * Laying one layer over the tree of those below it. What its entries say is gathered while the archive passes by and is
 * applied at its end: markers first, for they speak of the layers below wherever they stand. OCI image specification, layer.md.
 */
import { setImmediate } from 'node:timers/promises';
import type { TarEntry } from '../stream/tar-entry.js';
import { throwIfAborted } from './abort.js';
import { Column } from './column.js';
import { entryPath, type Marker, markerOf, shown } from './entry-path.js';
import { type FileTree, type Node, ROOT } from './file-tree.js';
import { imageInvalid } from './image-invalid.js';
import { type ConvertLimits, PATH_LIMIT_BYTES } from './limits.js';
import { PathResolver } from './path-resolver.js';
import { IMPLIED_DIRECTORY, type RecordKind, type RecordTable } from './record-table.js';
import { TextPool } from './text-pool.js';

/** The tree so far, the records of its names, and how far both may grow. */
export interface TreeInProgress {
  readonly tree: FileTree;
  readonly records: RecordTable;
  readonly limits: ConvertLimits;
}

/** Entries that are applied before others get their turn. */
const ENTRIES_A_TURN = 5000;

const KINDS: Readonly<Record<string, RecordKind>> = {
  directory: 'directory',
  file: 'file',
  'hard-link': 'hard-link',
  symlink: 'symlink',
  'character-device': 'character-device',
  'block-device': 'block-device',
  fifo: 'fifo',
};

/** The changes that one layer makes. */
export class LayerChanges {
  readonly #tree: FileTree;
  readonly #records: RecordTable;
  readonly #limits: ConvertLimits;
  readonly #resolver: PathResolver;
  /** Paths of the markers, by their numbers in the pool. */
  readonly #markers = new Column(Uint32Array);
  #markerCount = 0;
  readonly #paths = new TextPool();
  /** Of each record of this layer its path; 0 for markers. */
  readonly #path = new Column(Uint32Array);
  readonly #firstRecord: number;
  /** Links whose target has not come yet. */
  readonly #early: number[] = [];
  /** Names that links were put under while others wait, by the record of the link. */
  readonly #linked = new Map<Node, number>();

  constructor({ tree, records, limits }: TreeInProgress) {
    this.#tree = tree;
    this.#records = records;
    this.#limits = limits;
    this.#resolver = new PathResolver(tree, records);
    this.#firstRecord = records.size;
  }

  /**
   * Takes an entry; the tree stays as it is.
   *
   * @throws DepotError `IMAGE_INVALID`: a type that no image may have, a name that leads out or is too long
   */
  add(entry: TarEntry): void {
    if (entry.type === 'global-header') return;
    const path = entryPath(entry.name);
    if (path.length > PATH_LIMIT_BYTES || entry.linkName.length > PATH_LIMIT_BYTES) {
      throw imageInvalid(
        `${shown(entry.name)}: a name or a link target is longer than ${PATH_LIMIT_BYTES} bytes`,
      );
    }
    const marker = markerOf(path);
    if (marker !== undefined) {
      this.#records.skip();
      this.#markers.set(this.#markerCount, this.#paths.add(path));
      this.#markerCount += 1;
      return;
    }
    const kind = kindOf(entry);
    if (kind === undefined) {
      throw imageInvalid(
        `${shown(entry.name)} has the type ${shown(entry.typeFlag)}, expected a file, directory, link, device or fifo`,
      );
    }
    const record = this.#records.add(entry, kind);
    this.#path.set(record - this.#firstRecord, this.#paths.add(path));
  }

  /**
   * Applies what was taken.
   *
   * @throws DepotError `IMAGE_INVALID`: a hard link to nothing or to a directory, an entry below a file, a root that is no
   *   directory, too many names; `INTERRUPTED`
   */
  async apply(signal: AbortSignal | undefined): Promise<void> {
    this.#resolver.expect(this.#records.size - this.#firstRecord);
    for (let index = 0; index < this.#markerCount; index += 1) {
      if (index % ENTRIES_A_TURN === 0) await this.#turn(signal);
      const marker = markerOf(this.#paths.get(this.#markers.get(index)));
      if (marker !== undefined) this.#hide(marker);
    }
    for (let record = this.#firstRecord; record < this.#records.size; record += 1) {
      if (record % ENTRIES_A_TURN === 0) await this.#turn(signal);
      const path = this.#path.get(record - this.#firstRecord);
      if (path !== 0) this.#put(this.#paths.get(path), record);
    }
    for (const record of this.#early) this.#linkLate(record);
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    await setImmediate();
    throwIfAborted(signal);
  }

  #hide(marker: Marker): void {
    if (marker.kind === 'whiteout') {
      const node = this.#resolver.lookUp(marker.path);
      if (node !== 0 && node !== ROOT) this.#remove(node);
    } else if (marker.kind === 'opaque') {
      const directory = this.#resolver.directoryAt(marker.directory);
      if (directory === 0) return;
      for (const child of this.#tree.childrenOf(directory)) this.#remove(child);
    }
  }

  #put(path: string, record: number): void {
    const kind = this.#records.kindOf(record);
    if (path === '') {
      if (kind !== 'directory') throw imageInvalid(`the root is a ${kind}, expected a directory`);
      this.#tree.bind(ROOT, record);
    } else if (kind !== 'hard-link') {
      this.#bind(path, record);
    } else {
      const target = this.#linkTarget(record);
      if (target === undefined) this.#early.push(record);
      else this.#link(path, target, record);
    }
  }

  /** A target that comes later in the layer: what else came under the link's own name meanwhile has won. */
  #linkLate(record: number): void {
    const path = this.#paths.get(this.#path.get(record - this.#firstRecord));
    const target = this.#linkTarget(record);
    if (target === undefined) {
      const linked = shown(this.#records.targetOf(record));
      throw imageInvalid(`${shown(path)} is a hard link to ${linked}, which is not there`);
    }
    const there = this.#resolver.lookUp(path);
    const writer = there === 0 ? 0 : (this.#linked.get(there) ?? this.#tree.recordOf(there));
    if (writer < record) this.#link(path, target, record);
  }

  #link(path: string, target: number, record: number): void {
    const node = this.#bind(path, target);
    if (this.#early.length > 0) this.#linked.set(node, record);
  }

  /** @returns the record that a hard link leads to, `undefined` if there is nothing (yet) */
  #linkTarget(record: number): number | undefined {
    const target = this.#records.targetOf(record);
    const node = this.#resolver.lookUp(entryPath(target));
    if (node === 0) return undefined;
    const found = this.#tree.recordOf(node);
    if (node !== ROOT && this.#records.kindOf(found) !== 'directory') return found;
    throw imageInvalid(`a hard link leads to ${shown(target)}, which is a directory`);
  }

  /** Puts a record under a name. A directory over a directory keeps what is in it, everything else replaces. */
  #bind(path: string, record: number): Node {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const parent = this.#resolver.makeDirectory(path.slice(0, Math.max(slash, 0)));
    const there = this.#tree.find(parent, name);
    if (there !== 0) {
      const bothDirectories = this.#isDirectory(record) && this.#isDirectory(this.#tree.recordOf(there));
      if (bothDirectories || this.#tree.recordOf(there) === record) {
        this.#tree.bind(there, record);
        return there;
      }
      this.#remove(there);
    }
    const node = this.#tree.add(parent, name, record);
    this.#refuseTooMuch(node, path);
    return node;
  }

  /** Links make long paths of short ones, and a path makes many names. */
  #refuseTooMuch(node: Node, path: string): void {
    const { names, text } = this.#limits;
    if (this.#tree.lengthOf(node) > PATH_LIMIT_BYTES + 1) {
      throw imageInvalid(`${shown(path)}: where links lead it, it is longer than ${PATH_LIMIT_BYTES} bytes`);
    }
    if (this.#tree.size > names || this.#tree.pathBytes > text) {
      throw imageInvalid(`the image has more than ${names} names or ${text} bytes of paths (convert.limits)`);
    }
  }

  #isDirectory(record: number): boolean {
    return record === IMPLIED_DIRECTORY || this.#records.kindOf(record) === 'directory';
  }

  #remove(node: Node): void {
    this.#tree.remove(node);
    this.#resolver.forget();
  }
}

/** Archives older than the directory type mark a directory by the end of its name. */
function kindOf(entry: TarEntry): RecordKind | undefined {
  if (entry.type === 'file' && entry.format === 'v7' && entry.name.endsWith('/')) return 'directory';
  return KINDS[entry.type];
}
