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
  const stored = Number.parseInt(trimmed(block, 148, 8), 8);
  let unsigned = 8 * 0x20;
  let highBytes = 0;
  for (let index = 0; index < BLOCK_BYTES; index += 1) {
    if (index === 148) index = 156;
    const byte = block[index] ?? 0;
    unsigned += byte;
    highBytes += byte >> 7;
  }
  // Some old writers summed signed bytes.
  return stored === unsigned || stored === unsigned - 256 * highBytes;
}

function formatOf(block: Buffer): TarFormat {
  const magic = block.toString('latin1', 257, 265);
  if (magic === 'ustar  \0') return 'gnu';
  return magic.startsWith('ustar\0') ? 'ustar' : 'v7';
}

function text(block: Buffer, offset: number, length: number): string {
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
  const value = first >= 0x80 ? base256(block, offset, length) : octal(trimmed(block, offset, length));
  if (Number.isSafeInteger(value)) return value;
  throw new DepotError('ARCHIVE_INVALID', `damaged tar header: its ${what} is not a number it can be`);
}

function octal(digits: string): number {
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

/** GNU's form for what octal cannot hold: two's complement, the highest bit set as the mark. */
function base256(block: Buffer, offset: number, length: number): number {
  const bits = BigInt(`0x${block.toString('hex', offset, offset + length)}`);
  return Number(BigInt.asIntN(8 * length - 1, bits));
}

/** A field without the spaces and NULs around it, up to the first NUL within. */
function trimmed(block: Buffer, offset: number, length: number): string {
  const field = block.toString('latin1', offset, offset + length);
  let start = 0;
  while (field[start] === ' ' || field[start] === '\0') start += 1;
  const end = field.indexOf('\0', start);
  return field.slice(start, end === -1 ? undefined : end).trimEnd();
}
