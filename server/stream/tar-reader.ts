/**
 * Reading a tar while it passes by: ustar, GNU and PAX, and the old v7 form, which callers may refuse. Nothing is
 * decoded: names, link targets and extended attributes stay the bytes they are.
 */
import { DepotError } from '../errors.js';
import { OldSparseMap } from './sparse-map.js';
import { EntryOverrides, isMetaHeader, META_LIMIT_BYTES, type TarEntry } from './tar-entry.js';
import {
  BLOCK_BYTES,
  hasMoreSparseExtension,
  hasSparseExtension,
  isAllZero,
  parseHeader,
  type RawHeader,
} from './tar-header.js';

/** What comes out of the reader, in order: an entry, then its data in parts until `size` bytes have come. */
export type TarEvent =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  | { readonly kind: 'data'; readonly entry: TarEntry; readonly bytes: Buffer };

type Events = Generator<TarEvent, void, undefined>;

/** Takes the bytes of a tar in any cut, gives its entries. Holds one block, or one such header. */
export class TarReader {
  readonly #block = Buffer.alloc(BLOCK_BYTES);
  #blockUsed = 0;
  #expecting: 'header' | 'second zero block' | 'nothing' = 'header';
  /** A sparse file of the old GNU form whose map has not come to its end. */
  #sparse: { readonly header: RawHeader; readonly map: OldSparseMap } | undefined;
  #dataBytes = 0;
  #paddingBytes = 0;
  #entry: TarEntry | undefined;
  #meta: { readonly header: RawHeader; readonly parts: Buffer[] } | undefined;
  readonly #overrides = new EntryOverrides();
  #hasTrailingData = false;

  /** Whether the archive's end mark, two blocks of zeros, has passed by. */
  get hasEnded(): boolean {
    return this.#expecting === 'nothing';
  }

  /** Whether anything but zeros came after the end mark. */
  get hasTrailingData(): boolean {
    return this.#hasTrailingData;
  }

  /**
   * Takes the next bytes. The iteration must be carried to its end before more are fed.
   *
   * @param chunk - untrusted; the bytes of `data` events are views into it
   * @throws DepotError `ARCHIVE_INVALID`: what comes next cannot be a tar
   */
  *feed(chunk: Uint8Array): Events {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#wantsBlock()) {
        offset += this.#fillBlock(bytes, offset);
        if (this.#blockUsed === BLOCK_BYTES) yield* this.#takeBlock();
      } else if (this.#dataBytes > 0) {
        const part = bytes.subarray(offset, offset + this.#dataBytes);
        offset += part.length;
        yield* this.#takeData(part);
      } else if (this.#paddingBytes > 0) {
        const skipped = Math.min(this.#paddingBytes, bytes.length - offset);
        this.#paddingBytes -= skipped;
        offset += skipped;
      } else {
        this.#hasTrailingData ||= !isAllZero(bytes.subarray(offset));
        return;
      }
    }
  }

  /**
   * Says that no more bytes come.
   *
   * @throws DepotError `ARCHIVE_INVALID`: in the middle of a header or of an entry's data
   */
  end(): void {
    const missing = this.#dataBytes + this.#paddingBytes + this.#blockUsed > 0;
    if (!missing && this.#sparse === undefined && !this.#overrides.isPending) return;
    throw new DepotError('ARCHIVE_INVALID', 'the tar is cut short: it ends within an entry or a header');
  }

  #wantsBlock(): boolean {
    return this.#expecting !== 'nothing' && this.#dataBytes === 0 && this.#paddingBytes === 0;
  }

  #fillBlock(bytes: Buffer, offset: number): number {
    const copied = bytes.copy(this.#block, this.#blockUsed, offset, offset + BLOCK_BYTES - this.#blockUsed);
    this.#blockUsed += copied;
    return copied;
  }

  *#takeBlock(): Events {
    this.#blockUsed = 0;
    if (this.#sparse !== undefined) {
      this.#sparse.map.add(this.#block);
      if (!hasMoreSparseExtension(this.#block)) yield this.#takeSparse(this.#sparse);
    } else if (isAllZero(this.#block)) {
      this.#expecting = this.#expecting === 'header' ? 'second zero block' : 'nothing';
    } else if (this.#expecting === 'second zero block') {
      throw new DepotError('ARCHIVE_INVALID', 'damaged tar: a single block of zeros between two entries');
    } else {
      yield* this.#takeHeader(parseHeader(this.#block));
    }
  }

  *#takeHeader(header: RawHeader): Events {
    if (isMetaHeader(header)) {
      if (header.size < 0 || header.size > META_LIMIT_BYTES) {
        throw new DepotError('ARCHIVE_INVALID', 'a long-name or PAX header of the tar is larger than 1 MiB');
      }
      this.#meta = { header, parts: [] };
      this.#expectData(header.size);
      if (header.size === 0) yield* this.#takeMeta();
      return;
    }
    if (header.typeFlag !== 'S') {
      yield this.#takeEntry(this.#overrides.apply(header));
      return;
    }
    this.#sparse = { header, map: new OldSparseMap(this.#block) };
    if (!hasSparseExtension(this.#block)) yield this.#takeSparse(this.#sparse);
  }

  #takeSparse({ header, map }: { readonly header: RawHeader; readonly map: OldSparseMap }): TarEvent {
    this.#sparse = undefined;
    return this.#takeEntry(this.#overrides.apply(header, map.records()));
  }

  #takeEntry(entry: TarEntry): TarEvent {
    this.#entry = entry;
    this.#expectData(entry.size);
    return { kind: 'entry', entry };
  }

  #expectData(size: number): void {
    this.#dataBytes = size;
    this.#paddingBytes = (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
  }

  *#takeData(part: Buffer): Events {
    this.#dataBytes -= part.length;
    if (this.#meta !== undefined) {
      this.#meta.parts.push(Buffer.from(part));
      if (this.#dataBytes === 0) yield* this.#takeMeta();
    } else if (this.#entry !== undefined) {
      yield { kind: 'data', entry: this.#entry, bytes: part };
    }
  }

  *#takeMeta(): Events {
    if (this.#meta === undefined) return;
    const { header, parts } = this.#meta;
    this.#meta = undefined;
    this.#overrides.add(header, Buffer.concat(parts));
    if (header.typeFlag !== 'g') return;
    const entry = { ...new EntryOverrides().apply(header), size: 0 };
    yield { kind: 'entry', entry };
  }
}
