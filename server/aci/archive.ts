/** Reading the archive of an image, once, from its first byte to its last. appc/spec, spec/aci.md, "Image Archives". */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { posix } from 'node:path';
import { DepotError, fileError } from '../errors.js';
import { type Compression, sniffCompression } from '../stream/compression.js';
import { decompress } from '../stream/decompress.js';
import type { TarEntry } from '../stream/tar-entry.js';
import { BLOCK_BYTES } from '../stream/tar-header.js';
import { type TarEvent, TarReader } from '../stream/tar-reader.js';

/** What a reader of an archive does with what passes by. */
export interface AciVisitor {
  /** Takes the uncompressed bytes, before their entries. */
  bytes?(chunk: Uint8Array): void;
  /** Takes an entry or a part of its data. @returns `'enough'` to end the reading */
  event(event: TarEvent): 'enough' | undefined;
  /** Called after the events of some bytes, and waited for before more are read. */
  settled?(): Promise<void>;
}

/** Where reading stops, so that a hostile archive cannot take all time and memory. */
export interface AciLimits {
  readonly entries: number;
  /** Of all names and link targets together. */
  readonly nameBytes: number;
  readonly tarBytes: number;
}

/** How an archive was read. */
export interface AciReading {
  readonly compression: Compression;
  /** Bytes of the file. */
  readonly fileBytes: number;
  /** Bytes of the tar, its padding and end mark included. */
  readonly tarBytes: number;
  /** Whether the two blocks of zeros at the end were there. */
  readonly hasEndMark: boolean;
  /** Whether something follows that end mark. */
  readonly hasTrailingData: boolean;
}

/**
 * As many entries as a conversion makes by default. No gzip shrinks a thousandfold; what bzip2 and xz can do to zeros goes
 * beyond all images.
 */
function limitsFor(fileBytes: number): AciLimits {
  const tarBytes = Math.min(2 ** 40, Math.max(2 ** 32, fileBytes * 2000));
  return { entries: 3_000_010, nameBytes: 2 ** 29, tarBytes };
}

const READ_BYTES = 256 * 1024;
const USTAR_OFFSET = 257;

/**
 * Reads an archive: compression by its first bytes, then the tar in it.
 *
 * @param path - the file, untrusted
 * @throws DepotError `ARCHIVE_INVALID` (the message does not name the file): not such an archive, damaged, beyond the
 *   limits; `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`: the file cannot be read
 */
export async function readAci(path: string, visitor: AciVisitor, limits?: AciLimits): Promise<AciReading> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    const compression = await detectCompression(file);
    const source = file.createReadStream({ start: 0, highWaterMark: READ_BYTES, autoClose: false });
    const reading = await readTar(decompress(source, compression), visitor, limits ?? limitsFor(size));
    return { compression, fileBytes: size, ...reading };
  } catch (error) {
    throw fileError(error, path);
  } finally {
    await file.close();
  }
}

/** The path of an entry as rkt and actool see it: `./a//b/` is `a/b`, the root is `.`. */
export function cleanPath(name: string): string {
  const path = posix.normalize(name);
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** A fifo must not hold us up, so the file is opened without waiting. */
async function openFile(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (error) {
    throw fileError(error, path);
  }
  throw new DepotError('ARCHIVE_INVALID', 'not a regular file, expected an ACI');
}

async function detectCompression(file: FileHandle): Promise<Compression> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(BLOCK_BYTES), 0, BLOCK_BYTES, 0);
  const head = buffer.subarray(0, bytesRead);
  const compression = sniffCompression(head);
  if (compression === 'zstd') throw notAnAci('zstd data');
  if (compression !== 'none' || head.toString('latin1', USTAR_OFFSET, USTAR_OFFSET + 5) === 'ustar') {
    return compression;
  }
  throw notAnAci(bytesRead === 0 ? 'an empty file' : 'neither compressed nor a ustar archive');
}

function notAnAci(found: string): DepotError {
  return new DepotError('ARCHIVE_INVALID', `${found}, expected a tar, plain or with gzip, bzip2 or xz`);
}

async function readTar(source: AsyncIterable<Uint8Array>, visitor: AciVisitor, limits: AciLimits) {
  const reader = new TarReader();
  const budget = new Budget(limits);
  for await (const chunk of source) {
    budget.spendBytes(chunk.length);
    visitor.bytes?.(chunk);
    for (const event of reader.feed(chunk)) {
      if (event.kind === 'entry') budget.spendEntry(event.entry);
      if (visitor.event(event) === 'enough') return ending();
    }
    await visitor.settled?.();
  }
  reader.end();
  return ending();

  function ending() {
    return {
      tarBytes: budget.tarBytes,
      hasEndMark: reader.hasEnded,
      hasTrailingData: reader.hasTrailingData,
    };
  }
}

class Budget {
  tarBytes = 0;
  #entries = 0;
  #nameBytes = 0;
  readonly #limits: AciLimits;

  constructor(limits: AciLimits) {
    this.#limits = limits;
  }

  spendBytes(count: number): void {
    this.tarBytes += count;
    if (this.tarBytes > this.#limits.tarBytes) throw beyond(`${this.#limits.tarBytes} bytes uncompressed`);
  }

  spendEntry(entry: TarEntry): void {
    this.#entries += 1;
    this.#nameBytes += entry.name.length + entry.linkName.length;
    if (this.#entries > this.#limits.entries) throw beyond(`${this.#limits.entries} entries`);
    if (this.#nameBytes > this.#limits.nameBytes) throw beyond(`${this.#limits.nameBytes} bytes of names`);
  }
}

function beyond(limit: string): DepotError {
  return new DepotError('ARCHIVE_INVALID', `the archive has more than ${limit}, which no image needs`);
}
