/** What the layers say of each entry: one record an entry, in the order of layers and entries, in columns. */
import type { TarEntry, TarEntryType } from '../stream/tar-entry.js';
import type { TarOutput } from '../stream/tar-writer.js';
import { Column } from './column.js';
import { TextPool } from './text-pool.js';

const KINDS = [
  'directory',
  'file',
  'hard-link',
  'symlink',
  'character-device',
  'block-device',
  'fifo',
] as const satisfies readonly TarEntryType[];

/** What an entry of a layer may be. */
export type RecordKind = (typeof KINDS)[number];

/** The record of every directory that no layer speaks of: 0755, of root, made at the epoch. */
export const IMPLIED_DIRECTORY = 0;

interface Extras {
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: ReadonlyMap<string, string>;
}

const NO_EXTRAS: Extras = { devMajor: 0, devMinor: 0, xattrs: new Map() };

/**
 * Devices and extended attributes: few entries have them, or very many the same, such as a label of SELinux. Each is kept
 * once and as one text, which takes a quarter of what a map would.
 */
class ExtrasList {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];

  /** @returns its number, from 1 up */
  add({ devMajor, devMinor, xattrs }: Extras): number {
    const text = JSON.stringify([devMajor, devMinor, ...xattrs]);
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#texts.push(text);
    this.#numbers.set(text, this.#texts.length);
    return this.#texts.length;
  }

  /** @param number - 0 is none */
  get(number: number): Extras {
    const text = this.#texts[number - 1];
    if (text === undefined) return NO_EXTRAS;
    const [devMajor, devMinor, ...xattrs]: [number, number, ...[string, string][]] = JSON.parse(text);
    return { devMajor, devMinor, xattrs: new Map(xattrs) };
  }
}

/** The records of one image. */
export class RecordTable {
  readonly #kind = new Column(Uint8Array);
  readonly #mode = new Column(Uint16Array);
  readonly #uid = new Column(Float64Array);
  readonly #gid = new Column(Float64Array);
  readonly #mtime = new Column(Float64Array);
  readonly #nanoseconds = new Column(Uint32Array);
  readonly #owner = new Column(Uint32Array);
  readonly #target = new Column(Uint32Array);
  readonly #targets = new TextPool();
  /** User and group names by number; the first has none. */
  readonly #owners: (readonly [string, string])[] = [['', '']];
  readonly #ownerNumbers = new Map<string, number>([['\0', 0]]);
  readonly #extra = new Column(Uint32Array);
  readonly #extras = new ExtrasList();
  #size = 1;

  constructor() {
    this.#mode.set(IMPLIED_DIRECTORY, 0o755);
  }

  /** The number that the next record will have. */
  get size(): number {
    return this.#size;
  }

  /** Leaves a number unused, so that records and entries keep in step. */
  skip(): number {
    this.#size += 1;
    return this.#size - 1;
  }

  /** @returns the record's number */
  add(entry: TarEntry, kind: RecordKind): number {
    const record = this.skip();
    this.#kind.set(record, KINDS.indexOf(kind));
    this.#mode.set(record, entry.mode);
    this.#uid.set(record, entry.uid);
    this.#gid.set(record, entry.gid);
    this.#mtime.set(record, entry.mtime);
    this.#nanoseconds.set(record, entry.mtimeNanoseconds);
    this.#owner.set(record, this.#ownerNumber(entry.uname, entry.gname));
    if (kind === 'symlink' || kind === 'hard-link') {
      this.#target.set(record, this.#targets.add(entry.linkName));
    }
    const isDevice = kind === 'character-device' || kind === 'block-device';
    if (isDevice || entry.xattrs.size > 0) {
      const { devMajor, devMinor, xattrs } = entry;
      const extras = isDevice ? { devMajor, devMinor, xattrs } : { ...NO_EXTRAS, xattrs };
      this.#extra.set(record, this.#extras.add(extras));
    }
    return record;
  }

  kindOf(record: number): RecordKind {
    return KINDS[this.#kind.get(record)] ?? 'directory';
  }

  /** The target of a link, as it was said. */
  targetOf(record: number): string {
    const target = this.#target.get(record);
    return target === 0 ? '' : this.#targets.get(target);
  }

  /**
   * What is written of a record. Field by field: a spread takes four times as long, which is felt where there are many
   * small files.
   */
  describe(record: number, type: TarOutput['type'], name: string, linkName: string, size: number): TarOutput {
    const [uname, gname] = this.#owners[this.#owner.get(record)] ?? ['', ''];
    // Devices and attributes belong to the entry that a hard link leads to.
    const extras = type === 'hard-link' ? NO_EXTRAS : this.#extras.get(this.#extra.get(record));
    return {
      type,
      name,
      linkName,
      size,
      mode: this.#mode.get(record),
      uid: this.#uid.get(record),
      gid: this.#gid.get(record),
      mtime: this.#mtime.get(record),
      mtimeNanoseconds: this.#nanoseconds.get(record),
      uname,
      gname,
      devMajor: extras.devMajor,
      devMinor: extras.devMinor,
      xattrs: extras.xattrs,
    };
  }

  #ownerNumber(uname: string, gname: string): number {
    const key = `${uname}\0${gname}`;
    const known = this.#ownerNumbers.get(key);
    if (known !== undefined) return known;
    this.#owners.push([uname, gname]);
    this.#ownerNumbers.set(key, this.#owners.length - 1);
    return this.#owners.length - 1;
  }
}
