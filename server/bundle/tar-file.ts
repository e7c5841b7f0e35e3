/**
 * The bytes that stand around a file in a bundle. They follow from its path and its size, so a reader compares them and needs
 * to understand nothing: no links, no devices, no names but the expected one.
 */
import { DepotError } from '../errors.js';
import { BLOCK_BYTES, parseHeader } from '../stream/tar-header.js';
import { paddingOf, tarHeaders } from '../stream/tar-writer.js';

/** A file as far as its header says it. */
export interface TarFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** The header of a file: a plain one of root, as old as time. */
export function headerOf({ path, size }: TarFile): Buffer {
  return tarHeaders({
    type: 'file',
    name: Buffer.from(path).toString('latin1'),
    linkName: '',
    mode: 0o644,
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    size,
    mtime: 0,
    mtimeNanoseconds: 0,
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  });
}

/** Bytes that a file takes in a bundle, with all that stands around it. */
export function bytesInTar(file: TarFile): number {
  return headerOf(file).length + file.size + paddingOf(file.size);
}

/**
 * What a header says, for a message: who finds another one than expected wants to know which.
 *
 * @param block - 512 bytes, untrusted
 */
export function describeHeader(block: Buffer): string {
  try {
    const { name, size, typeFlag, linkName } = parseHeader(block);
    const link = linkName === '' ? '' : `, a link to ${JSON.stringify(linkName)}`;
    return `${JSON.stringify(name)}, ${size} bytes, of type ${JSON.stringify(typeFlag)}${link}`;
  } catch (error) {
    if (error instanceof DepotError) return error.message;
    throw error;
  }
}

/**
 * How many bytes the first file of an archive has, if it has the name that is expected.
 *
 * @param block - 512 bytes, untrusted
 */
export function sizeOfFirst(block: Buffer, path: string): number | undefined {
  try {
    const { name, size } = parseHeader(block);
    return name === path && size >= 0 && headerOf({ path, size }).equals(block) ? size : undefined;
  } catch (error) {
    if (error instanceof DepotError) return undefined;
    throw error;
  }
}

export { BLOCK_BYTES };
