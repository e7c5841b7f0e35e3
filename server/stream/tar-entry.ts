/** One entry of a tar: its header, and what the long-name and PAX headers before it change. */
import { DepotError } from '../errors.js';
import { type PaxRecords, parsePaxRecords, paxInteger, paxTime } from './pax-records.js';
import type { RawHeader } from './tar-header.js';

/** What an entry is. `global-header` held PAX records for all that follow; `unknown` has an unknown type flag. */
export type TarEntryType =
  | 'file'
  | 'hard-link'
  | 'symlink'
  | 'character-device'
  | 'block-device'
  | 'directory'
  | 'fifo'
  | 'sparse'
  | 'global-header'
  | 'unknown';

/** An entry; every text is bytes as Latin-1, one character a byte. */
export interface TarEntry extends RawHeader {
  readonly type: TarEntryType;
  /** Bytes of data that follow, as stored; 0 for what carries none, whatever its header says. */
  readonly size: number;
  /** 0 to 999,999,999, above the seconds of `mtime`. */
  readonly mtimeNanoseconds: number;
  /** Extended attributes: `user.mime_type` to its value. */
  readonly xattrs: ReadonlyMap<string, string>;
  /** Of sparse files: the records `GNU.sparse.…` that tell where the data belongs, not looked at yet. */
  readonly sparse: PaxRecords | undefined;
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hard-link',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
  S: 'sparse',
  g: 'global-header',
};

const WITH_DATA: ReadonlySet<TarEntryType> = new Set(['file', 'sparse', 'unknown']);
const META_FLAGS: ReadonlySet<string> = new Set(['x', 'g', 'L', 'K']);
const XATTR_PREFIX = 'SCHILY.xattr.';
const SPARSE_PREFIX = 'GNU.sparse.';
const NO_RECORDS: PaxRecords = new Map();
const NO_XATTRS: ReadonlyMap<string, string> = new Map();

/** A header that speaks of others (long name, PAX) and is larger is refused; Go's reader has the same limit. */
export const META_LIMIT_BYTES = 1024 * 1024;

/** What is said of all entries is looked through for each: more of it would make a small archive slow. */
const GLOBAL_LIMIT_BYTES = 16 * 1024;

/** A name, a target and a PAX header are three; some writers say one twice. Without an end they would be no entries. */
const HEADERS_AN_ENTRY = 16;

/** Whether a header is not an entry of its own but speaks of others. */
export function isMetaHeader(header: RawHeader): boolean {
  return META_FLAGS.has(header.typeFlag);
}

/** What the headers before an entry have said so far. */
export class EntryOverrides {
  #global: PaxRecords = NO_RECORDS;
  #globalBytes = 0;
  #local: PaxRecords | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;
  #headers = 0;

  /** Whether something was said of an entry that has not come yet. */
  get isPending(): boolean {
    return this.#local !== undefined || this.#longName !== undefined || this.#longLink !== undefined;
  }

  /**
   * Takes a PAX header, global or local, or a GNU long name.
   *
   * @param content - its data, untrusted
   * @throws DepotError `ARCHIVE_INVALID`: damaged PAX records, too many of such headers
   */
  add(header: RawHeader, content: Buffer): void {
    if (header.typeFlag !== 'g') this.#headers += 1;
    if (this.#headers > HEADERS_AN_ENTRY) {
      throw new DepotError(
        'ARCHIVE_INVALID',
        `more than ${HEADERS_AN_ENTRY} headers of the tar speak of one entry`,
      );
    }
    if (header.typeFlag === 'x') this.#local = parsePaxRecords(content);
    else if (header.typeFlag === 'g') this.#addGlobal(content);
    else if (header.typeFlag === 'L') this.#longName = upToNul(content);
    else this.#longLink = upToNul(content);
  }

  /**
   * Makes the entry that a header begins, and forgets what was said of it. Field by field: a spread takes four times as
   * long, which is felt where there are many small files.
   *
   * @param oldSparse - the map of a sparse file of the old GNU form, as records
   * @throws DepotError `ARCHIVE_INVALID`: a PAX number or time is none, a negative size
   */
  apply(header: RawHeader, oldSparse?: PaxRecords): TarEntry {
    const records = this.#records();
    const changed = records.size === 0 ? header : withRecords(header, records);
    const type = typeOf(header, records);
    const size = WITH_DATA.has(type) ? changed.size : 0;
    if (size < 0) throw new DepotError('ARCHIVE_INVALID', 'damaged tar header: its size is negative');
    const entry = {
      type,
      format: changed.format,
      typeFlag: changed.typeFlag,
      name: this.#longName ?? changed.name,
      linkName: this.#longLink ?? changed.linkName,
      mode: changed.mode,
      uid: changed.uid,
      gid: changed.gid,
      size,
      mtime: changed.mtime,
      mtimeNanoseconds: records.size === 0 ? 0 : paxTime(records.get('mtime') || '0').nanoseconds,
      uname: changed.uname,
      gname: changed.gname,
      devMajor: changed.devMajor,
      devMinor: changed.devMinor,
      xattrs: records.size === 0 ? NO_XATTRS : xattrsOf(records),
      sparse: type === 'sparse' ? (oldSparse ?? records) : undefined,
    };
    this.#local = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#headers = 0;
    return entry;
  }

  #addGlobal(content: Buffer): void {
    this.#globalBytes += content.length;
    if (this.#globalBytes > GLOBAL_LIMIT_BYTES) {
      throw new DepotError('ARCHIVE_INVALID', 'the global PAX headers of the tar are larger than 16 KiB');
    }
    const meant = [...parsePaxRecords(content)].filter(([keyword]) => hasMeaning(keyword));
    this.#global = new Map([...this.#global, ...meant]);
  }

  #records(): PaxRecords {
    if (this.#local === undefined) return this.#global;
    return this.#global.size === 0 ? this.#local : new Map([...this.#global, ...this.#local]);
  }
}

const MEANT = new Set(['path', 'linkpath', 'size', 'uid', 'gid', 'uname', 'gname', 'mtime']);

function hasMeaning(keyword: string): boolean {
  return MEANT.has(keyword) || keyword.startsWith(XATTR_PREFIX) || keyword.startsWith(SPARSE_PREFIX);
}

/** An empty value leaves what the header says. */
function withRecords(header: RawHeader, records: PaxRecords): RawHeader {
  const said = (keyword: string): string | undefined => records.get(keyword) || undefined;
  const integer = (keyword: string, fallback: number): number => {
    const value = said(keyword);
    return value === undefined ? fallback : paxInteger(value);
  };
  const mtime = said('mtime');
  return {
    ...header,
    name: said(`${SPARSE_PREFIX}name`) ?? said('path') ?? header.name,
    linkName: said('linkpath') ?? header.linkName,
    size: integer('size', header.size),
    uid: integer('uid', header.uid),
    gid: integer('gid', header.gid),
    uname: said('uname') ?? header.uname,
    gname: said('gname') ?? header.gname,
    mtime: mtime === undefined ? header.mtime : paxTime(mtime).seconds,
  };
}

function typeOf(header: RawHeader, records: PaxRecords): TarEntryType {
  const type = TYPES[header.typeFlag] ?? 'unknown';
  // Archives older than the directory type mark a directory by the end of its name.
  if (header.typeFlag === '\0' && header.name.endsWith('/')) return 'directory';
  if (type !== 'file') return type;
  for (const keyword of records.keys()) if (keyword.startsWith(SPARSE_PREFIX)) return 'sparse';
  return type;
}

function xattrsOf(records: PaxRecords): ReadonlyMap<string, string> {
  const found = [...records].filter(([keyword]) => keyword.startsWith(XATTR_PREFIX));
  return new Map(found.map(([keyword, value]) => [keyword.slice(XATTR_PREFIX.length), value]));
}

function upToNul(content: Buffer): string {
  const end = content.indexOf(0);
  return content.toString('latin1', 0, end === -1 ? undefined : end);
}
