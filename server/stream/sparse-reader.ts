/** Reading a tar whose sparse files come out whole: their holes are zeros, as everyone reads them who opens the file. */
import { DepotError } from '../errors.js';
import { readSparseMap, SparseMapText, type SparsePart, sparseParts } from './sparse-map.js';
import type { TarEntry } from './tar-entry.js';
import { type TarEvent, TarReader } from './tar-reader.js';
import { paddingOf } from './tar-writer.js';

/** As of the tar itself, and `hole` for zeros that are not stored: parts of an entry's data as others are. */
export type WholeEvent =
  | TarEvent
  | { readonly kind: 'hole'; readonly entry: TarEntry; readonly bytes: Buffer };

type Events = Generator<WholeEvent, void, undefined>;

/** Takes the bytes of a tar in any cut; what it gives has no entries of the type `sparse`. */
export class SparseReader {
  readonly #reader = new TarReader();
  #file: HoleFiller | undefined;

  /**
   * As {@link TarReader.feed}. Holes may be larger than any memory: put away what comes before asking for more.
   *
   * @throws DepotError `ARCHIVE_INVALID`; also for the map of a sparse file that cannot be
   */
  *feed(chunk: Uint8Array): Events {
    for (const event of this.#reader.feed(chunk)) {
      if (event.kind === 'entry') yield* this.#begin(event);
      else if (this.#file === undefined) yield event;
      else yield* this.#file.take(event.bytes);
    }
  }

  /** As {@link TarReader.end}. */
  end(): void {
    this.#reader.end();
  }

  *#begin(event: WholeEvent): Events {
    this.#file = undefined;
    if (event.entry.type !== 'sparse') {
      yield event;
      return;
    }
    this.#file = new HoleFiller(event.entry);
    yield* this.#file.begin();
  }
}

const ZEROS = Buffer.alloc(256 * 1024);

/** One sparse file as it passes by. */
class HoleFiller {
  readonly #entry: TarEntry;
  readonly #storedSize: number;
  readonly #text: SparseMapText | undefined;
  #parts: readonly SparsePart[] = [];
  #next = 0;
  /** Stored bytes that have not come. */
  #missing: number;
  /** Zeros between a map in the data and what follows it. */
  #padding = 0;
  /** Bytes of the file that were given. */
  #given = 0;

  constructor(stored: TarEntry) {
    const { realSize, parts } = readSparseMap(stored.sparse ?? new Map(), stored.size);
    this.#entry = { ...stored, type: 'file', size: realSize, sparse: undefined };
    this.#storedSize = stored.size;
    this.#missing = stored.size;
    if (parts !== undefined) this.#parts = parts;
    else if (stored.size > 0) this.#text = new SparseMapText();
    else throw new DepotError('ARCHIVE_INVALID', 'a sparse file has no map');
  }

  *begin(): Events {
    yield { kind: 'entry', entry: this.#entry };
    if (this.#missing === 0) yield* this.#holeUpTo(this.#entry.size);
  }

  *take(bytes: Buffer): Events {
    let offset = 0;
    if (this.#text?.isWhole() === false) offset = this.#takeMap(this.#text, bytes);
    const skipped = Math.min(this.#padding, bytes.length - offset);
    this.#padding -= skipped;
    offset += skipped;
    this.#missing -= offset;
    while (offset < bytes.length) {
      const data = this.#upToPartEnd(bytes.subarray(offset));
      yield* this.#holeUpTo(data.at);
      offset += data.bytes.length;
      this.#missing -= data.bytes.length;
      this.#given += data.bytes.length;
      yield { kind: 'data', entry: this.#entry, bytes: data.bytes };
    }
    if (this.#missing === 0) yield* this.#end();
  }

  #takeMap(text: SparseMapText, bytes: Buffer): number {
    const used = text.take(bytes);
    if (!text.isWhole()) return used;
    this.#padding = paddingOf(text.byteLength);
    const data = this.#storedSize - text.byteLength - this.#padding;
    this.#parts = sparseParts(text.numbers(), this.#entry.size, data);
    return used;
  }

  /** What of some bytes belongs to the part that is being filled, and where in the file. */
  #upToPartEnd(bytes: Buffer): { readonly at: number; readonly bytes: Buffer } {
    while (this.#given >= this.#endOf(this.#next) && this.#next < this.#parts.length) this.#next += 1;
    const at = Math.max(this.#parts[this.#next]?.offset ?? 0, this.#given);
    return { at, bytes: bytes.subarray(0, this.#endOf(this.#next) - at) };
  }

  #endOf(index: number): number {
    const part = this.#parts[index];
    return part === undefined ? 0 : part.offset + part.length;
  }

  *#holeUpTo(end: number): Events {
    while (this.#given < end) {
      const bytes = ZEROS.subarray(0, end - this.#given);
      this.#given += bytes.length;
      yield { kind: 'hole', entry: this.#entry, bytes };
    }
  }

  *#end(): Events {
    if (this.#text?.isWhole() === false)
      throw new DepotError('ARCHIVE_INVALID', 'the map of a sparse file is cut short');
    yield* this.#holeUpTo(this.#entry.size);
  }
}
