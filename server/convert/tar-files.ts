/** The members of an archive as files. It is indexed once; a compressed one is unpacked beside the target first. */
import type { FileHandle } from 'node:fs/promises';
import { realpath } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { readRange } from '../disk/read-range.js';
import { openRegularFile } from '../disk/safe-path.js';
import { createScratchFile } from '../disk/scratch-file.js';
import { DepotError, fileError } from '../errors.js';
import { type Compression, SNIFF_BYTES, sniffCompression } from '../stream/compression.js';
import { decompress } from '../stream/decompress.js';
import { Budget } from './budget.js';
import type { ImageFiles } from './image-files.js';
import { imageInvalid } from './image-invalid.js';
import { DEFAULT_LIMITS } from './limits.js';
import { indexTar, memberName, type TarIndex } from './tar-index.js';

/** Links to links that are followed. */
const MOST_LINKS = 10;

/** The members of one tar. */
export class TarFiles implements ImageFiles {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #members: TarIndex;

  private constructor(path: string, handle: FileHandle, members: TarIndex) {
    this.path = path;
    this.#handle = handle;
    this.#members = members;
  }

  /**
   * Opens an archive, which stays open until it is closed.
   *
   * @param scratch - a folder in whose file system a compressed archive is unpacked, out of sight
   * @throws DepotError `IMAGE_INVALID`: no tar, or damaged; `DISK_FULL`; `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`
   */
  static async open(path: string, scratch: string): Promise<TarFiles> {
    let handle: FileHandle | undefined;
    try {
      handle = await openPlain(path, scratch);
      return new TarFiles(path, handle, await indexTar(handle, (await handle.stat()).size));
    } catch (error) {
      await handle?.close();
      throw ofArchive(error, path);
    }
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /**
   * Bytes of a member.
   *
   * @throws DepotError `IMAGE_INVALID`: the archive has it not
   */
  sizeOf(name: string): number {
    const found = this.#find(name);
    if (found === undefined) throw imageInvalid(`${this.path} has no member ${name}`);
    return found.size;
  }

  async *open(name: string): AsyncGenerator<Uint8Array> {
    const found = this.#find(name);
    if (found === undefined) throw new DepotError('NOT_FOUND', `${this.path} has no member ${name}`);
    yield* readRange(this.#handle, found.offset, found.size);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  #find(name: string) {
    let member = this.#members.get(memberName(Buffer.from(name).toString('latin1')));
    for (let links = 0; member?.kind === 'link'; links += 1) {
      if (links === MOST_LINKS) throw imageInvalid(`${this.path}: ${name} is a link that never ends`);
      member = this.#members.get(member.target);
    }
    return member;
  }
}

async function openPlain(path: string, scratch: string): Promise<FileHandle> {
  const { handle, stats } = await openRegularFile(await realpath(path));
  try {
    const head = await buffer(readRange(handle, 0, Math.min(SNIFF_BYTES, stats.size)));
    const compression = sniffCompression(head);
    if (compression === 'none') return handle;
    const unpacked = await unpack(readRange(handle, 0, stats.size), compression, scratch);
    await handle.close();
    return unpacked;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function unpack(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  scratch: string,
): Promise<FileHandle> {
  const target = await createScratchFile(scratch);
  const budget = new Budget(DEFAULT_LIMITS);
  let [stored, expanded] = [0, 0];
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      stored += chunk.length;
      yield chunk;
    }
  }
  try {
    for await (const chunk of decompress(counted(), compression)) {
      expanded += chunk.length;
      budget.spendBytes(chunk.length, { stored, expanded });
      await target.writeFile(chunk);
    }
    return target;
  } catch (error) {
    await target.close();
    throw error;
  }
}

function ofArchive(error: unknown, path: string): DepotError {
  const failure = fileError(error, path);
  const isItsOwn = failure.code === 'ARCHIVE_INVALID' || failure.code === 'IMAGE_INVALID';
  return isItsOwn ? imageInvalid(`${path}: ${failure.message}`) : failure;
}
