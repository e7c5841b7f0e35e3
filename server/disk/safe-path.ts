/** Paths that clients send: decoded once, and resolved below a folder, never outside it. */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DepotError, fileError } from '../errors.js';
import { isInside } from './walk.js';

/** Which symbolic links count: those that end inside the root, or all. */
export type SymlinkPolicy = 'inside' | 'follow';

/** A path from a URL after its only decoding. */
export interface RequestedPath {
  /** Names from the root down. None is empty, begins with a dot, or holds a slash, a backslash or NUL. */
  readonly parts: readonly string[];
  /** Whether the path can only mean a folder, because it ends in a slash or in a dot segment. */
  readonly folder: boolean;
}

/**
 * Reads the path of a URL. Slashes in a row count as one, `.` and `..` are resolved in the text, an encoded slash
 * separates like a plain one, and `+` is a plus sign.
 *
 * @param path - untrusted, still percent-encoded, without the query
 * @throws DepotError `BAD_REQUEST`: malformed encoding, or NUL; `NOT_FOUND`: above the root, or a name that is never served
 */
export function parsePath(path: string): RequestedPath {
  const segments = decodeOnce(path).split('/');
  const parts: string[] = [];
  for (const segment of segments) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') {
      if (parts.pop() === undefined) throw new DepotError('NOT_FOUND', 'the path leads above the root');
    } else {
      parts.push(checkedName(segment));
    }
  }
  return { parts, folder: segments.length > 1 && ['', '.', '..'].includes(segments.at(-1) ?? '') };
}

function decodeOnce(path: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', 'the path is not percent-encoded UTF-8', {}, { cause });
  }
  if (decoded.includes('\0')) throw new DepotError('BAD_REQUEST', 'the path holds a NUL byte');
  return decoded;
}

function checkedName(name: string): string {
  if (isServedName(name)) return name;
  throw new DepotError('NOT_FOUND', 'names that begin with a dot, or hold a backslash, are not served');
}

/** Whether a file or folder of that name is ever served, by its name alone. */
export function isServedName(name: string): boolean {
  return !name.startsWith('.') && !name.includes('\\');
}

/** Where a path ended, after all links. */
export interface Place {
  /** Absolute, without links, `.` and `..`. */
  readonly path: string;
  /** Of a regular file or a folder. */
  readonly stats: Stats;
}

/**
 * Finds the regular file or the folder that names below a root lead to.
 *
 * @param parts - from {@link parsePath}
 * @throws DepotError `NOT_FOUND`: nothing there, a device, fifo or socket, or a link that may not be followed;
 *   `ACCESS_DENIED`; `BUSY`
 */
export async function resolveBelow(
  root: string,
  parts: readonly string[],
  symlinks: SymlinkPolicy,
): Promise<Place> {
  const path = join(root, ...parts);
  const name = parts.join('/');
  try {
    const [realRoot, real, stats] = await Promise.all([realpath(root), realpath(path), stat(path)]);
    if (symlinks === 'inside' && !isInside(realRoot, real)) {
      throw new DepotError('NOT_FOUND', `${name} is a link that leads outside the folder`);
    }
    if (!stats.isFile() && !stats.isDirectory()) {
      throw new DepotError('NOT_FOUND', `${name} is neither a file nor a folder`);
    }
    return { path: real, stats };
  } catch (error) {
    throw fileError(error, name);
  }
}

/** An open regular file; whoever has it closes it. */
export interface OpenFile {
  readonly handle: FileHandle;
  readonly stats: Stats;
}

const FOR_READING = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/**
 * Opens a regular file for reading. A fifo that took its place does not block, and a link that took its place is not
 * followed.
 *
 * @param path - without links, as {@link resolveBelow} gives it
 * @throws DepotError `NOT_FOUND`: gone, or no regular file any more; `ACCESS_DENIED`; `BUSY`
 */
export async function openRegularFile(path: string): Promise<OpenFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, FOR_READING);
    const stats = await handle.stat();
    if (!stats.isFile()) throw new DepotError('NOT_FOUND', `${path} is not a regular file`);
    return { handle, stats };
  } catch (error) {
    await handle?.close();
    throw fileError(error, path);
  }
}
