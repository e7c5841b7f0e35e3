/** Where the members of a plain tar lie in its file, found by its headers alone: no data is read. */
import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { readRange } from '../disk/read-range.js';
import { EntryOverrides, isMetaHeader, META_LIMIT_BYTES, type TarEntry } from '../stream/tar-entry.js';
import { BLOCK_BYTES, isAllZero, parseHeader } from '../stream/tar-header.js';
import { imageInvalid } from './image-invalid.js';

/** What an archive of an image never has: a file, two or three for each layer, and a few more. */
const MOST_MEMBERS = 100_000;

/** A member that has data, or leads to one that has. */
export type TarMember =
  | { readonly kind: 'file'; readonly offset: number; readonly size: number }
  /** To another name, from the top of the archive. */
  | { readonly kind: 'link'; readonly target: string };

/** Members by name from the top of the archive, as {@link memberName} writes it. */
export type TarIndex = ReadonlyMap<string, TarMember>;

/**
 * Writes the name of a member in one way; what would lead above the top ends there.
 *
 * @param name - bytes as Latin-1
 */
export function memberName(name: string): string {
  return posix.resolve('/', name).slice(1);
}

/**
 * Finds the members; of several with one name the last counts, as when they are unpacked.
 *
 * @param fileBytes - size of the file
 * @throws DepotError `ARCHIVE_INVALID`, `IMAGE_INVALID`: no tar, cut, with a sparse file, or with too many members
 */
export async function indexTar(handle: FileHandle, fileBytes: number): Promise<TarIndex> {
  const members = new Map<string, TarMember>();
  const overrides = new EntryOverrides();
  let count = 0;
  for (let offset = 0; offset < fileBytes; ) {
    const block = await read(offset, BLOCK_BYTES);
    if (isAllZero(block)) break;
    const header = parseHeader(block);
    const data = offset + BLOCK_BYTES;
    let { size } = header;
    if (isMetaHeader(header)) {
      if (size < 0 || size > META_LIMIT_BYTES) throw imageInvalid('a header of it is larger than 1 MiB');
      overrides.add(header, await read(data, size));
    } else {
      const entry = overrides.apply(header);
      size = entry.size;
      if (data + size > fileBytes) throw cut();
      add(members, entry, data);
    }
    count += 1;
    if (count > MOST_MEMBERS) throw imageInvalid(`it has more than ${MOST_MEMBERS} members`);
    offset = data + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return members;

  async function read(start: number, size: number): Promise<Buffer> {
    if (start + size > fileBytes) throw cut();
    return buffer(readRange(handle, start, size));
  }
}

function cut(): Error {
  return imageInvalid('the archive is cut short');
}

function add(members: Map<string, TarMember>, entry: TarEntry, offset: number): void {
  const name = memberName(entry.name);
  const { type, size, linkName } = entry;
  if (type === 'sparse') throw imageInvalid('it has a sparse file: write it without --sparse');
  if (type === 'file') members.set(name, { kind: 'file', offset, size });
  if (type === 'hard-link') members.set(name, { kind: 'link', target: memberName(linkName) });
  if (type === 'symlink') {
    members.set(name, {
      kind: 'link',
      target: memberName(posix.resolve('/', posix.dirname(name), linkName)),
    });
  }
}
