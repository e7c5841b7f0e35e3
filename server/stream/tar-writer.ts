/**
 * Writing tar headers, byte for byte: ustar where it can say all, a PAX header before it where it cannot. Go's reader
 * of 2015, GNU tar and all later ones read the same from it. POSIX pax, "ustar Interchange Format".
 */
import { DepotError } from '../errors.js';
import { META_LIMIT_BYTES } from './tar-entry.js';
import { BLOCK_BYTES, checksumOf } from './tar-header.js';

/** What can be written; `typeFlag` of ustar. */
export const TYPE_FLAGS = {
  file: '0',
  'hard-link': '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
} as const;

/** An entry to be written; texts are bytes as Latin-1, one character a byte. */
export interface TarOutput {
  readonly type: keyof typeof TYPE_FLAGS;
  /** Without a slash at its end, a directory too. */
  readonly name: string;
  readonly linkName: string;
  /** Permission bits, 07777 at most. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly uname: string;
  readonly gname: string;
  /** Bytes of data that will follow. */
  readonly size: number;
  /** Whole seconds since the epoch, rounded down. */
  readonly mtime: number;
  readonly mtimeNanoseconds: number;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: ReadonlyMap<string, string>;
}

/** The two blocks of zeros that end an archive. */
export const END_MARK: Buffer = Buffer.alloc(2 * BLOCK_BYTES);

/** How many zeros follow an entry's data. */
export function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const OWNER_BYTES = 32;
const ID_LIMIT = 0o7777777;
const SIZE_LIMIT = 0o77777777777;

/**
 * Writes the header of an entry, with a PAX header before it if one is needed.
 *
 * @returns whole blocks; the data, if any, and its padding are the caller's
 * @throws DepotError `ARCHIVE_INVALID`: what is said beyond ustar is larger than readers take (1 MiB)
 */
export function tarHeaders(entry: TarOutput): Buffer {
  const name = entry.type === 'directory' ? `${entry.name}/` : entry.name;
  const place = placeOf(name);
  const records = recordsOf(entry, name, place);
  const header = ustarHeader(entry, place);
  if (records.length === 0) return header;
  const content = Buffer.from(records.join(''), 'latin1');
  if (content.length > META_LIMIT_BYTES) {
    throw new DepotError('ARCHIVE_INVALID', 'an entry has more than 1 MiB of extended attributes and names');
  }
  const meta = ustarHeader({ ...PAX_ENTRY, size: content.length }, { prefix: '', name: PAX_ENTRY.name });
  meta.write('x', TYPE_OFFSET, 'latin1');
  writeChecksum(meta);
  return Buffer.concat([meta, content, Buffer.alloc(paddingOf(content.length)), header]);
}

const PAX_ENTRY: TarOutput = {
  type: 'file',
  name: 'PaxHeaders.0/x',
  linkName: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  uname: '',
  gname: '',
  size: 0,
  mtime: 0,
  mtimeNanoseconds: 0,
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map(),
};

interface Place {
  readonly prefix: string;
  readonly name: string;
}

/** How ustar can say a name: in one field, or cut at a slash in two; `undefined` if it cannot. */
function placeOf(name: string): Place | undefined {
  if (name.length <= NAME_BYTES) return { prefix: '', name };
  if (name.length > PREFIX_BYTES + 1 + NAME_BYTES) return undefined;
  const cut = name.indexOf('/', name.length - NAME_BYTES - 1);
  // The slash at a directory's end is no place to cut: the name would be empty.
  if (cut < 1 || cut > PREFIX_BYTES || cut === name.length - 1) return undefined;
  return { prefix: name.slice(0, cut), name: name.slice(cut + 1) };
}

/** What ustar cannot say, in a fixed order. */
function recordsOf(entry: TarOutput, name: string, place: Place | undefined): string[] {
  const records: string[] = [];
  const say = (needed: boolean, keyword: string, value: string | number): void => {
    if (needed) records.push(record(keyword, String(value)));
  };
  say(place === undefined, 'path', name);
  say(entry.linkName.length > NAME_BYTES, 'linkpath', entry.linkName);
  say(entry.size > SIZE_LIMIT, 'size', entry.size);
  say(entry.uid > ID_LIMIT, 'uid', entry.uid);
  say(entry.gid > ID_LIMIT, 'gid', entry.gid);
  say(entry.uname.length >= OWNER_BYTES, 'uname', entry.uname);
  say(entry.gname.length >= OWNER_BYTES, 'gname', entry.gname);
  const { mtime, mtimeNanoseconds: nanoseconds } = entry;
  say(nanoseconds !== 0 || mtime < 0 || mtime > SIZE_LIMIT, 'mtime', decimalTime(mtime, nanoseconds));
  if (entry.xattrs.size === 0) return records;
  const sorted = [...entry.xattrs].sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [key, value] of sorted) say(true, `SCHILY.xattr.${key}`, value);
  return records;
}

/** Seconds since the epoch as a decimal number, without zeros at its end. */
function decimalTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds);
  const isNegative = seconds < 0;
  const whole = isNegative ? -seconds - 1 : seconds;
  const fraction = isNegative ? 1_000_000_000 - nanoseconds : nanoseconds;
  const digits = String(fraction).padStart(9, '0').replace(/0+$/, '');
  return `${isNegative ? '-' : ''}${whole}.${digits}`;
}

/** `length keyword=value` and a line feed, the length counting itself. */
function record(keyword: string, value: string): string {
  const rest = ` ${keyword}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

const TYPE_OFFSET = 156;
const CHECKSUM_OFFSET = 148;

function ustarHeader(entry: TarOutput, place: Place | undefined): Buffer {
  // From the pool of small buffers: there is one for every entry.
  const block = Buffer.allocUnsafe(BLOCK_BYTES).fill(0);
  const { prefix, name } = place ?? { prefix: '', name: entry.name.slice(0, NAME_BYTES) };
  block.write(name, 0, NAME_BYTES, 'latin1');
  writeOctal(block, 100, 8, entry.mode);
  writeNumber(block, 108, 8, entry.uid > ID_LIMIT ? 0 : entry.uid);
  writeNumber(block, 116, 8, entry.gid > ID_LIMIT ? 0 : entry.gid);
  writeOctal(block, 124, 12, entry.size > SIZE_LIMIT ? 0 : entry.size);
  writeOctal(block, 136, 12, entry.mtime < 0 || entry.mtime > SIZE_LIMIT ? 0 : entry.mtime);
  block.write(TYPE_FLAGS[entry.type], TYPE_OFFSET, 'latin1');
  block.write(entry.linkName, 157, NAME_BYTES, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  if (entry.uname.length < OWNER_BYTES) block.write(entry.uname, 265, OWNER_BYTES, 'latin1');
  if (entry.gname.length < OWNER_BYTES) block.write(entry.gname, 297, OWNER_BYTES, 'latin1');
  writeNumber(block, 329, 8, entry.devMajor);
  writeNumber(block, 337, 8, entry.devMinor);
  block.write(prefix, 345, PREFIX_BYTES, 'latin1');
  writeChecksum(block);
  return block;
}

function writeChecksum(block: Buffer): void {
  writeOctal(block, CHECKSUM_OFFSET, 7, checksumOf(block));
  block[CHECKSUM_OFFSET + 6] = 0;
  block[CHECKSUM_OFFSET + 7] = 0x20;
}

function writeOctal(block: Buffer, offset: number, length: number, value: number): void {
  let rest = value;
  for (let index = offset + length - 2; index >= offset; index -= 1) {
    block[index] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

/** Octal where it fits, else GNU's two's complement: PAX has no records for device numbers and negative ids. */
function writeNumber(block: Buffer, offset: number, length: number, value: number): void {
  if (value >= 0 && value <= ID_LIMIT) {
    writeOctal(block, offset, length, value);
    return;
  }
  block.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)), offset);
  block[offset] = value < 0 ? 0xff : 0x80;
}
