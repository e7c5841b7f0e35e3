/**
 * The maps of sparse files: where in a file the stored bytes belong, zeros between them. GNU tar manual, "Storing Sparse
 * Files": the old GNU form, and the forms 0.0, 0.1 and 1.0 in PAX records.
 */
import { DepotError } from '../errors.js';
import { type PaxRecords, paxInteger } from './pax-records.js';
import { META_LIMIT_BYTES } from './tar-entry.js';
import { BLOCK_BYTES, headerNumber } from './tar-header.js';

/** A part of a file that is stored. */
export interface SparsePart {
  readonly offset: number;
  readonly length: number;
}

/** A file with holes. */
export interface SparseMap {
  /** Bytes of the file, its holes included. */
  readonly realSize: number;
  /** In order; `undefined` where the data itself begins with the map (form 1.0). */
  readonly parts: readonly SparsePart[] | undefined;
}

const PAIR_BYTES = 24;
const PAIRS_IN_HEADER = 4;
const PAIRS_IN_BLOCK = 21;
const HEADER_PAIRS_OFFSET = 386;
const REAL_SIZE_OFFSET = 483;

/** The map of the old GNU form while its blocks come, made into the records that the form 0.1 would have. */
export class OldSparseMap {
  readonly #realSize: number;
  readonly #numbers: number[] = [];
  #blocks = 0;

  /** @param header - a header with the type flag `S` */
  constructor(header: Buffer) {
    this.#realSize = headerNumber(header, REAL_SIZE_OFFSET, 12, 'real size');
    this.#addPairs(header, HEADER_PAIRS_OFFSET, PAIRS_IN_HEADER);
  }

  /** @throws DepotError `ARCHIVE_INVALID`: not numbers, or more blocks than any file needs */
  add(block: Buffer): void {
    this.#blocks += 1;
    if (this.#blocks * BLOCK_BYTES > META_LIMIT_BYTES) throw tooLarge();
    this.#addPairs(block, 0, PAIRS_IN_BLOCK);
  }

  records(): PaxRecords {
    return new Map([
      ['GNU.sparse.size', String(this.#realSize)],
      ['GNU.sparse.map', this.#numbers.join(',')],
    ]);
  }

  #addPairs(block: Buffer, start: number, count: number): void {
    for (let offset = start; offset < start + count * PAIR_BYTES; offset += PAIR_BYTES) {
      if (block[offset] === 0) return;
      this.#numbers.push(headerNumber(block, offset, 12, 'sparse map'));
      this.#numbers.push(headerNumber(block, offset + 12, 12, 'sparse map'));
    }
  }
}

/**
 * Reads what the records of an entry say of its holes.
 *
 * @param storedSize - bytes of data that the archive has
 * @throws DepotError `ARCHIVE_INVALID`: a form that is not known, or a map that cannot be (see {@link sparseParts})
 */
export function readSparseMap(records: PaxRecords, storedSize: number): SparseMap {
  const said = (keyword: string): string => records.get(`GNU.sparse.${keyword}`) ?? '';
  const form = `${said('major') || '0'}.${said('minor') || '0'}`;
  if (form === '1.0') return { realSize: paxInteger(said('realsize')), parts: undefined };
  if (form !== '0.0' && form !== '0.1') throw damaged(`the form ${form}, expected 0.0, 0.1 or 1.0`);
  const realSize = paxInteger(said('size') || said('realsize'));
  const map = said('map');
  const numbers = map === '' ? [] : map.split(',').map(paxInteger);
  return { realSize, parts: sparseParts(numbers, realSize, storedSize) };
}

/**
 * Checks a map.
 *
 * @param numbers - offset and length of each part, one after the other
 * @param storedSize - bytes of data that follow
 * @throws DepotError `ARCHIVE_INVALID`: parts that overlap or go back, that lie beyond the file, or are not as long as
 *   the data
 */
export function sparseParts(
  numbers: readonly number[],
  realSize: number,
  storedSize: number,
): readonly SparsePart[] {
  const parts: SparsePart[] = [];
  let [end, stored] = [0, 0];
  for (let index = 0; index < numbers.length; index += 2) {
    const [offset = 0, length = -1] = numbers.slice(index, index + 2);
    if (offset < end || length < 0) throw damaged('parts that overlap, or half a part');
    end = offset + length;
    if (end > realSize) throw damaged('a part beyond the end of the file');
    stored += length;
    if (length > 0) parts.push({ offset, length });
  }
  if (stored !== storedSize) throw damaged(`${stored} bytes in its parts, but ${storedSize} are stored`);
  return parts;
}

/** The map that stands before the data in form 1.0: decimal numbers, a line each, how many parts there are first. */
export class SparseMapText {
  readonly #numbers: number[] = [];
  #wanted = 1;
  #bytes = 0;
  #digits = '';

  /** Bytes of the map, without its padding; right when it is whole. */
  get byteLength(): number {
    return this.#bytes;
  }

  /**
   * Takes the next bytes.
   *
   * @returns how many of them belong to the map
   * @throws DepotError `ARCHIVE_INVALID`: not numbers, or a map of more than 1 MiB
   */
  take(bytes: Buffer): number {
    let used = 0;
    while (used < bytes.length && !this.isWhole()) {
      this.#takeByte(bytes[used] ?? 0);
      used += 1;
    }
    return used;
  }

  isWhole(): boolean {
    return this.#numbers.length === this.#wanted;
  }

  /** Offsets and lengths. */
  numbers(): readonly number[] {
    return this.#numbers.slice(1);
  }

  #takeByte(byte: number): void {
    this.#bytes += 1;
    if (this.#bytes > META_LIMIT_BYTES) throw tooLarge();
    if (byte !== 0x0a) {
      this.#digits += String.fromCharCode(byte);
      if (this.#digits.length > 16) throw damaged('a number of more than 16 digits');
      return;
    }
    const number = paxInteger(this.#digits);
    this.#digits = '';
    if (this.#numbers.length === 0) this.#wanted = 1 + 2 * number;
    this.#numbers.push(number);
  }
}

function tooLarge(): DepotError {
  return new DepotError('ARCHIVE_INVALID', 'the map of a sparse file is larger than 1 MiB');
}

function damaged(found: string): DepotError {
  return new DepotError('ARCHIVE_INVALID', `the map of a sparse file has ${found}`);
}
