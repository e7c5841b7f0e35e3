/**
 * Writing the tree as an archive: the manifest, all directories from the top down, the files layer by layer as they pass
 * by once more, then links and devices. So parents come before what is in them, and hard links after their data.
 */
import { setImmediate } from 'node:timers/promises';
import type { WholeEvent } from '../stream/sparse-reader.js';
import type { TarEntry } from '../stream/tar-entry.js';
import { paddingOf, type TarOutput, tarHeaders } from '../stream/tar-writer.js';
import { throwIfAborted } from './abort.js';
import { Column } from './column.js';
import { type FileTree, type Node, ROOT } from './file-tree.js';
import { imageInvalid } from './image-invalid.js';
import { readLayer } from './layer-reader.js';
import type { Output } from './output.js';
import type { RecordTable } from './record-table.js';
import type { LayerBlob } from './source.js';
import { stdioLinks } from './stdio-links.js';

/** A layer, and where its records begin. */
export interface IndexedLayer {
  readonly blob: LayerBlob;
  readonly firstRecord: number;
  /** Of the uncompressed bytes, `sha256:…`. */
  readonly diffId: string;
}

/** All that is written. */
export interface Emission {
  readonly manifest: Buffer;
  readonly tree: FileTree;
  readonly records: RecordTable;
  readonly layers: readonly IndexedLayer[];
  readonly output: Output;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: ((bytes: number) => void) | undefined;
}

const OF_ROOT = {
  size: 0,
  uid: 0,
  gid: 0,
  uname: '',
  gname: '',
  mtime: 0,
  mtimeNanoseconds: 0,
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map(),
};

/** Entries that are written before others get their turn. */
const ENTRIES_A_TURN = 2000;

/**
 * Writes everything but the end mark.
 *
 * @throws DepotError `IMAGE_INVALID`: `/dev` is no directory, a layer is not what it was when it was indexed;
 *   `INTERRUPTED`; what reading and writing throw
 */
export async function emit(emission: Emission): Promise<void> {
  const added = stdioLinks(emission);
  const { output, manifest } = emission;
  output.add(
    tarHeaders({
      ...OF_ROOT,
      type: 'file',
      name: 'manifest',
      linkName: '',
      mode: 0o644,
      size: manifest.length,
    }),
  );
  output.add(manifest);
  output.add(Buffer.alloc(paddingOf(manifest.length)));
  await new Emitter(emission).run();
  for (const [path, target] of added) {
    const link = { ...OF_ROOT, type: 'symlink', linkName: target, mode: 0o777 } as const;
    output.add(tarHeaders({ ...link, name: inRoot(path) }));
  }
  await output.settle();
}

function inRoot(path: string): string {
  return path === '' ? 'rootfs' : `rootfs/${path}`;
}

class Emitter {
  readonly #emission: Emission;
  readonly #tree: FileTree;
  readonly #records: RecordTable;
  /** Of each record the node under which it is written; 0 for records that nothing leads to any more. */
  readonly #home = new Column(Uint32Array);
  readonly #directories: Node[] = [];
  #written = 0;

  constructor(emission: Emission) {
    this.#emission = emission;
    this.#tree = emission.tree;
    this.#records = emission.records;
  }

  async run(): Promise<void> {
    await this.#walk();
    for (const directory of this.#directories) await this.#write(directory, 'directory', '');
    for (const [index, layer] of this.#emission.layers.entries()) await this.#writeFiles(layer, index);
    await this.#writeOthers((record) => this.#records.kindOf(record) !== 'file', false);
    await this.#writeOthers(() => true, true);
  }

  /** Finds all directories, parents first and by name, and a home for each record: the name that it had first. */
  async #walk(): Promise<void> {
    const open: Node[] = [ROOT];
    for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
      this.#directories.push(directory);
      const below: Node[] = [];
      for (const node of this.#tree.childrenOf(directory)) {
        const record = this.#tree.recordOf(node);
        if (this.#records.kindOf(record) === 'directory') below.push(node);
        else this.#settleIn(record, node);
      }
      open.push(...this.#tree.sortByName(below).reverse());
      await this.#turn();
    }
  }

  #settleIn(record: number, node: Node): void {
    const home = this.#home.get(record);
    if (home === 0 || node < home) this.#home.set(record, node);
  }

  async #writeFiles({ blob, firstRecord, diffId }: IndexedLayer, index: number): Promise<void> {
    const next = this.#emission.layers[index + 1]?.firstRecord ?? this.#records.size;
    if (!this.#hasFiles(firstRecord, next)) return;
    const { output, signal, onBytes } = this.#emission;
    let record = firstRecord - 1;
    let isWanted = false;
    const event = (passing: WholeEvent): void => {
      if (passing.kind !== 'entry') {
        if (isWanted) output.add(passing.bytes);
        return;
      }
      if (isWanted) this.#pad();
      isWanted = false;
      if (passing.entry.type === 'global-header') return;
      record += 1;
      isWanted = record < next && this.#beginFile(passing.entry, record);
    };
    const hash = blob.digest === undefined;
    const found = await readLayer(blob, { event, hash, signal, onBytes, settled: () => output.settle() });
    if (isWanted) this.#pad();
    if (record !== next - 1 || (hash && found !== diffId)) {
      throw imageInvalid(`layer ${blob.name} changed while it was being read`);
    }
  }

  #fileBytes = 0;

  #beginFile(entry: TarEntry, record: number): boolean {
    const home = this.#home.get(record);
    if (home === 0 || this.#records.kindOf(record) !== 'file') return false;
    this.#fileBytes = entry.size;
    const name = inRoot(this.#tree.pathOf(home));
    this.#emission.output.add(tarHeaders(this.#records.describe(record, 'file', name, '', entry.size)));
    return true;
  }

  #pad(): void {
    const padding = paddingOf(this.#fileBytes);
    if (padding > 0) this.#emission.output.add(ZEROS.subarray(0, padding));
  }

  #hasFiles(first: number, next: number): boolean {
    for (let record = first; record < next; record += 1) {
      if (this.#home.get(record) !== 0 && this.#records.kindOf(record) === 'file') return true;
    }
    return false;
  }

  /** Writes what is no directory, by name: at their homes, or as hard links to these. */
  async #writeOthers(isWanted: (record: number) => boolean, asLinks: boolean): Promise<void> {
    for (const directory of this.#directories) {
      const nodes: Node[] = [];
      for (const node of this.#tree.childrenOf(directory)) {
        const record = this.#tree.recordOf(node);
        if (this.#records.kindOf(record) === 'directory') continue;
        if ((this.#home.get(record) !== node) === asLinks && isWanted(record)) nodes.push(node);
      }
      for (const node of this.#tree.sortByName(nodes)) await this.#writeOther(node, asLinks);
    }
  }

  async #writeOther(node: Node, asLink: boolean): Promise<void> {
    const record = this.#tree.recordOf(node);
    const kind = this.#records.kindOf(record);
    if (asLink) await this.#write(node, 'hard-link', inRoot(this.#tree.pathOf(this.#home.get(record))));
    else await this.#write(node, kind, this.#records.targetOf(record));
  }

  async #write(node: Node, type: TarOutput['type'], linkName: string): Promise<void> {
    const { output } = this.#emission;
    const name = inRoot(this.#tree.pathOf(node));
    output.add(tarHeaders(this.#records.describe(this.#tree.recordOf(node), type, name, linkName, 0)));
    await this.#turn();
  }

  async #turn(): Promise<void> {
    this.#written += 1;
    if (this.#written % ENTRIES_A_TURN !== 0) return;
    throwIfAborted(this.#emission.signal);
    await this.#emission.output.settle();
    await setImmediate();
  }
}

const ZEROS = Buffer.alloc(512);
