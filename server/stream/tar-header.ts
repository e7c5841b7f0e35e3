/** One 512-byte tar header, field by field. POSIX pax, "ustar Interchange Format"; GNU tar, "Basic Tar Format". */
import { DepotError } from '../errors.js';

/** The unit of a tar: headers are one block, data is padded to whole blocks. */
export const BLOCK_BYTES = 512;

/** Whose header it is: `v7` has neither magic nor the fields after the link name. */
export type TarFormat = 'v7' | 'ustar' | 'gnu';

/** A header as it stands there; names are bytes as Latin-1, one character a byte. */
export interface RawHeader {
  readonly format: TarFormat;
  /** The type flag as a character; NUL is told from `0`. */
  readonly typeFlag: string;
  readonly name: string;
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Whole seconds since the epoch. */
  readonly mtime: number;
  readonly uname: string;
  readonly gname: string;
  readonly devMajor: number;
  readonly devMinor: number;
}

/** Whether bytes are nothing but zeros, as the two blocks are that end an archive. */
export function isAllZero(bytes: Buffer): boolean {
  if (bytes[0] !== 0) return bytes.length === 0;
  for (let offset = 0; offset < bytes.length; offset += ZEROS.length) {
    const part = bytes.subarray(offset, offset + ZEROS.length);
    if (part.compare(ZEROS, 0, part.length) !== 0) return false;
  }
  return true;
}

const ZEROS = Buffer.alloc(16 * 1024);

/**
 * Reads a header.
 *
 * @param block - 512 bytes, untrusted, not all zero
 * @throws DepotError `ARCHIVE_INVALID`: the checksum is wrong, a number is none, or it is beyond 2^53
 */
export function parseHeader(block: Buffer): RawHeader {
  if (!hasValidChecksum(block)) {
    throw new DepotError('ARCHIVE_INVALID', 'not a tar header: its checksum is wrong');
  }
  const format = formatOf(block);
  const prefix = format === 'ustar' ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  const extended = format !== 'v7';
  return {
    format,
    typeFlag: block.toString('latin1', 156, 157),
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: text(block, 157, 100),
    mode: headerNumber(block, 100, 8, 'mode') & 0o7777,
    uid: headerNumber(block, 108, 8, 'uid'),
    gid: headerNumber(block, 116, 8, 'gid'),
    size: headerNumber(block, 124, 12, 'size'),
    mtime: headerNumber(block, 136, 12, 'mtime'),
    uname: extended ? text(block, 265, 32) : '',
    gname: extended ? text(block, 297, 32) : '',
    devMajor: extended ? headerNumber(block, 329, 8, 'device number') : 0,
    devMinor: extended ? headerNumber(block, 337, 8, 'device number') : 0,
  };
}

/** Whether the header of an old GNU sparse file says that a further block of its map follows. */
export function hasSparseExtension(block: Buffer): boolean {
  return block[482] !== 0;
}

/** Whether a further block of a sparse map is followed by one more. */
export function hasMoreSparseExtension(block: Buffer): boolean {
  return block[504] !== 0;
}

/** Whether a block can be a tar header: old archives have no magic, but all have a checksum. */
export function hasValidChecksum(block: Buffer): boolean {
  const stored = octal(block, 148, 8);
  const unsigned = checksumOf(block);
  // Some old writers summed signed bytes.
  return stored === unsigned || stored === unsigned - 256 * highBytesOf(block);
}

/** The sum of a header's bytes, with spaces in the place of the sum itself. */
export function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let index = 0; index < 148; index += 1) sum += block[index] ?? 0;
  for (let index = 156; index < BLOCK_BYTES; index += 1) sum += block[index] ?? 0;
  return sum;
}

function highBytesOf(block: Buffer): number {
  let count = 0;
  for (let index = 0; index < BLOCK_BYTES; index += 1)
    if (index < 148 || index > 155) count += (block[index] ?? 0) >> 7;
  return count;
}

function formatOf(block: Buffer): TarFormat {
  const magic = block.toString('latin1', 257, 265);
  if (magic === 'ustar  \0') return 'gnu';
  return magic.startsWith('ustar\0') ? 'ustar' : 'v7';
}

function text(block: Buffer, offset: number, length: number): string {
  if (block[offset] === 0) return '';
  const end = block.indexOf(0, offset);
  return block.toString('latin1', offset, end === -1 || end > offset + length ? offset + length : end);
}

/**
 * Reads a number of a header: octal, or GNU's binary form.
 *
 * @param what - how to call it in messages
 * @throws DepotError `ARCHIVE_INVALID`: not a number, or beyond 2^53
 */
export function headerNumber(block: Buffer, offset: number, length: number, what: string): number {
  const first = block[offset] ?? 0;
  const value = first >= 0x80 ? base256(block, offset, length) : octal(block, offset, length);
  if (Number.isSafeInteger(value)) return value;
  throw new DepotError('ARCHIVE_INVALID', `damaged tar header: its ${what} is not a number it can be`);
}

/** A field's digits, spaces and NULs before them and what follows a NUL passed over; NaN for anything else. */
function octal(block: Buffer, offset: number, length: number): number {
  const end = offset + length;
  let index = offset;
  while (index < end && isBlank(block[index])) index += 1;
  let value = 0;
  for (; index < end && !isBlank(block[index]); index += 1) {
    const digit = (block[index] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) return Number.NaN;
    value = value * 8 + digit;
  }
  while (index < end && block[index] === 0x20) index += 1;
  return index === end || block[index] === 0 ? value : Number.NaN;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0;
}

/** GNU's form for what octal cannot hold: two's complement, the highest bit set as the mark. */
function base256(block: Buffer, offset: number, length: number): number {
  const bits = BigInt(`0x${block.toString('hex', offset, offset + length)}`);
  return Number(BigInt.asIntN(8 * length - 1, bits));
}
