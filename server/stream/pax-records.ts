/** The records of a PAX extended header. POSIX pax, "pax Extended Header". */
import { DepotError } from '../errors.js';

/** Keyword to value, both bytes as Latin-1; an empty value takes the keyword's meaning away. */
export type PaxRecords = ReadonlyMap<string, string>;

/**
 * Reads `length keyword=value` records; of a repeated keyword the last counts. The parts of a sparse file in form 0.0,
 * which repeats `GNU.sparse.offset` and `GNU.sparse.numbytes`, become one `GNU.sparse.map` as form 0.1 has it.
 *
 * @param content - the data of an `x` or `g` header, untrusted
 * @throws DepotError `ARCHIVE_INVALID`: a length that does not fit, no `=`, no line feed, a NUL in a name
 */
export function parsePaxRecords(content: Buffer): PaxRecords {
  const records = new Map<string, string>();
  const sparse: string[] = [];
  let offset = 0;
  while (offset < content.length) {
    const space = content.indexOf(0x20, offset);
    const digits = space === -1 ? '' : content.toString('latin1', offset, Math.min(space, offset + 11));
    const end = offset + (/^[0-9]{1,10}$/.test(digits) ? Number(digits) : 0);
    const equals = content.indexOf(0x3d, space);
    if (end > content.length || equals <= space || equals >= end || content[end - 1] !== 0x0a)
      throw damaged();
    const keyword = content.toString('latin1', space + 1, equals);
    const value = content.toString('latin1', equals + 1, end - 1);
    if (keyword === '' || (NAMES.has(keyword) && value.includes('\0'))) throw damaged();
    if (keyword === SPARSE_PAIR[sparse.length % 2]) sparse.push(value);
    records.set(keyword, value);
    offset = end;
  }
  return withSparseMap(records, sparse);
}

function withSparseMap(records: Map<string, string>, numbers: readonly string[]): PaxRecords {
  return numbers.length === 0 ? records : records.set('GNU.sparse.map', numbers.join(','));
}

const SPARSE_PAIR = ['GNU.sparse.offset', 'GNU.sparse.numbytes'] as const;
const NAMES: ReadonlySet<string> = new Set(['path', 'linkpath', 'uname', 'gname']);

/**
 * A decimal number of a record, such as a size.
 *
 * @throws DepotError `ARCHIVE_INVALID`: not a whole number from 0 to 2^53
 */
export function paxInteger(value: string): number {
  const parsed = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(parsed)) throw damaged();
  return parsed;
}

/** A time of a record: seconds, rounded down, and the nanoseconds above them. */
export interface PaxTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/**
 * A time in seconds since the epoch, with an optional fraction; what is finer than a nanosecond is cut off.
 *
 * @throws DepotError `ARCHIVE_INVALID`: not a decimal number
 */
export function paxTime(value: string): PaxTime {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value);
  if (match === null) throw damaged();
  const seconds = Number(match[2]);
  const nanoseconds = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] === '') return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: 0 - seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

function damaged(): DepotError {
  return new DepotError('ARCHIVE_INVALID', 'damaged PAX header: a record is not "length keyword=value"');
}
