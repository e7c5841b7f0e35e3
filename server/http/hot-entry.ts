/** One answer that is kept: made from an answer of the slow path, sent again as it was. */
import { constants, realpathSync, type Stats, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type FileVersion, sameVersion } from '../index.js';
import { type DescriptorFile, openNow } from './descriptor-file.js';

/** Where a file was found. */
export interface HotPlace {
  /** As it was asked for, links and all. */
  readonly path: string;
  /** Where that led: absolute, without links. */
  readonly realPath: string;
}

/** One version of a file with the headers that describe it. */
export interface HotEntry {
  /** Where the file is looked for again. */
  readonly place: HotPlace;
  readonly version: FileVersion;
  /** Its bytes, if they are few; else the file is opened for each answer. */
  readonly body: Buffer | undefined;
  readonly etag: string | undefined;
  /** Names and values by turns, as `writeHead` takes them fastest. */
  readonly headers: string[];
  readonly notModifiedHeaders: string[];
}

/** What a request wants of an entry; `'other'` is more than a kept answer can give. */
export type Wish = 'whole' | 'head' | 'not-modified' | 'other';

/** Headers that belong to one answer or one connection, not to the file. */
const PASSING = new Set(['connection', 'date', 'keep-alive', 'transfer-encoding', 'x-request-id']);
/** Headers that a 304 leaves out, as the slow path does. */
const OF_CONTENT = new Set(['Content-Type', 'Content-Length']);
/** With one of these a request is no longer a plain one. */
const DEMANDING = new Set([
  'content-length',
  'if-match',
  'if-modified-since',
  'if-range',
  'if-unmodified-since',
  'range',
  'transfer-encoding',
]);

/** The headers that are set on an answer and go with the file, names and values by turns. */
export function headersToKeep(res: ServerResponse): string[] {
  return res
    .getHeaderNames()
    .filter((name) => !PASSING.has(name))
    .flatMap((name) => [wireName(name), String(res.getHeader(name))]);
}

/** Node gives names in lower case; this is how they were written. */
function wireName(name: string): string {
  return name === 'etag' ? 'ETag' : name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}

/**
 * Makes an entry.
 *
 * @param headers - from {@link headersToKeep}
 */
export function entryOf(place: HotPlace, version: FileVersion, headers: string[], body?: Buffer): HotEntry {
  const etag = headers[headers.indexOf('ETag') + 1];
  return { place, version, body, etag, headers, notModifiedHeaders: withoutContent(headers) };
}

/** Reads the bytes of one version of a small file; `undefined` if the file at `path` is another version by now. */
export async function readVersion(path: string, version: FileVersion): Promise<Buffer | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!sameVersion(version, await file.stat())) return undefined;
    const body = Buffer.allocUnsafeSlow(version.size);
    const { bytesRead } = await file.read(body, 0, version.size, 0);
    return bytesRead === version.size && sameVersion(version, await file.stat()) ? body : undefined;
  } finally {
    await file.close();
  }
}

function withoutContent(headers: readonly string[]): string[] {
  return headers.filter((_, index) => !OF_CONTENT.has(headers[index & ~1] ?? ''));
}

/**
 * Whether the path still leads to the version that is kept, by the same way: a folder that was moved out of the root and
 * linked takes its files along unchanged.
 */
export function isCurrent({ place, version }: HotEntry): boolean {
  let stats: Stats | undefined;
  try {
    stats = leadsThere(place) ? statSync(place.path, { throwIfNoEntry: false }) : undefined;
  } catch {
    // A folder above was closed to us or replaced: the slow path says what that means.
  }
  return stats !== undefined && sameVersion(version, stats);
}

function leadsThere({ path, realPath }: HotPlace): boolean {
  return realpathSync.native(path) === realPath;
}

/** Opens the version that is kept; `undefined` if the path does not lead to it any more. */
export function openCurrent({ place, version }: HotEntry): DescriptorFile | undefined {
  try {
    const { file, stats } = openNow(place.path);
    if (leadsThere(place) && sameVersion(version, stats)) return file;
    file.close().catch(() => undefined);
  } catch {
    // As in isCurrent.
  }
  return undefined;
}

/** What a request wants. Looks at the raw headers: to have them parsed costs more than the whole answer. */
export function wishOf(req: IncomingMessage, entry: HotEntry): Wish {
  let wish: Wish = req.method === 'GET' ? 'whole' : req.method === 'HEAD' ? 'head' : 'other';
  const { rawHeaders } = req;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    if (DEMANDING.has(name)) return 'other';
    if (name !== 'if-none-match') continue;
    if (rawHeaders[index + 1] !== entry.etag) return 'other';
    wish = wish === 'other' ? 'other' : 'not-modified';
  }
  return wish;
}

/** Sets the headers of the whole answer one by one, where others are to see them on `res`. */
export function setHeaders(res: ServerResponse, { headers }: HotEntry): void {
  for (let index = 0; index < headers.length; index += 2) {
    res.setHeader(headers[index] ?? '', headers[index + 1] ?? '');
  }
}

/** Sends all there is to send without the file, in one write. */
export function sendEntry(res: ServerResponse, entry: HotEntry, wish: Exclude<Wish, 'other'>): void {
  if (wish === 'not-modified') {
    res.writeHead(304, entry.notModifiedHeaders).end();
  } else if (wish === 'head') {
    res.writeHead(200, entry.headers).end();
  } else {
    res.writeHead(200, entry.headers).end(entry.body);
  }
}
