/**
 * Files that are asked for often, answered ahead of Express: small ones from memory, larger ones by opening them again.
 *
 * What is kept is the full answer of the slow path: its headers and, of a small file, the bytes of the very version that
 * they describe. Each request looks at the file's path again, so a file that was changed, replaced, removed or closed
 * to us is noticed by the next request, not after some time. Requests that had all come before the look share it:
 * a system call costs a third of an answer from memory.
 */
import type { Stats } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BoundedMemory, type FileVersion, isSettled } from '../index.js';
import {
  entryOf,
  type HotEntry,
  type HotPlace,
  headersToKeep,
  isCurrent,
  openCurrent,
  readVersion,
  sendEntry,
  setHeaders,
  type Wish,
  wishOf,
} from './hot-entry.js';
import type { Transfers } from './transfers.js';

/** A bounded memory of answers. */
export interface HotFiles {
  /**
   * Answers a plain GET or HEAD if the file is still the one that was kept; an `If-None-Match` with the
   * very ETag that is kept is plain, too. Synchronous.
   *
   * @returns false when someone else must answer; nothing has been touched then
   */
  answer(req: IncomingMessage, res: ServerResponse): boolean;
  /**
   * Offers a file whose full answer (GET, 200, no coding) is set or sent on `res`. The headers of that answer are
   * kept, so an answer from memory looks the same. A small file is read in its own time; what is too fresh or
   * changing is not kept.
   *
   * @param place - the file that the request named; it is looked at again on each later request
   * @param stats - of the open file that was sent
   */
  offer(req: IncomingMessage, res: ServerResponse, place: HotPlace, stats: Stats): void;
}

/** Bounds of the memory. */
export interface HotFilesOptions {
  /** All kept files together, with what surrounds them; 32 MiB by default. */
  readonly maxBytes?: number;
  /** The largest file whose bytes are kept; 64 KiB by default. */
  readonly maxFileBytes?: number;
  /** Sends larger files; without it only small ones are kept. */
  readonly transfers?: Transfers | undefined;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** What one entry costs beside its body, roughly. */
const ENTRY_BYTES = 2048;
/** Offers beyond this many at a time are let go; a file that is asked for often comes again. */
const MAX_LOADING = 16;

/** Makes an empty memory. */
export function createHotFiles(options: HotFilesOptions = {}): HotFiles {
  const { maxBytes = 32 * 1024 * 1024, maxFileBytes = 64 * 1024, transfers, now = Date.now } = options;
  const entries = new BoundedMemory(maxBytes, costOf);
  const loading = new Set<string>();
  const seen = new Set<HotEntry>();

  async function load(key: string, place: HotPlace, version: FileVersion, headers: string[]): Promise<void> {
    const body = await readVersion(place.path, version);
    if (body !== undefined) entries.keep(key, entryOf(place, version, headers, body));
  }

  /**
   * Whether the path still leads to the version that is kept. The requests of one turn of the event loop were waiting
   * when it began, so what one of them saw is good for all; a pipelined one may have come later, and looks itself.
   */
  function looksCurrent(res: ServerResponse, entry: HotEntry): boolean {
    if (res.socket !== null && seen.has(entry)) return true;
    if (!isCurrent(entry)) return false;
    if (seen.size === 0) setImmediate(() => seen.clear());
    seen.add(entry);
    return true;
  }

  /** Answers, if the file is still the version that is kept. */
  function answerAs(wish: Exclude<Wish, 'other'>, res: ServerResponse, entry: HotEntry): boolean {
    if (wish !== 'whole' || entry.body !== undefined) {
      if (!looksCurrent(res, entry)) return false;
      sendEntry(res, entry, wish);
      return true;
    }
    const file = transfers && openCurrent(entry);
    if (file === undefined) return false;
    setHeaders(res, entry);
    transfers?.send(res, file, [{ start: 0, length: entry.version.size }], entry.version);
    return true;
  }

  return {
    answer(req, res) {
      const key = pathOf(req.url ?? '');
      const entry = entries.find(key);
      if (entry === undefined) return false;
      const wish = wishOf(req, entry);
      if (wish === 'other') return false;
      const answered = answerAs(wish, res, entry);
      if (!answered) entries.forget(key);
      return answered;
    },
    offer(req, res, place, stats) {
      if (req.method !== 'GET' || res.statusCode !== 200 || !isSettled(stats, now())) return;
      const key = pathOf(originalUrl(req));
      if (stats.size > maxFileBytes) {
        if (transfers !== undefined) entries.keep(key, entryOf(place, stats, headersToKeep(res)));
        return;
      }
      if (loading.has(key) || loading.size === MAX_LOADING) return;
      loading.add(key);
      load(key, place, stats, headersToKeep(res))
        .catch(() => undefined)
        .finally(() => loading.delete(key));
    },
  };
}

function costOf(entry: HotEntry): number {
  return (entry.body?.length ?? 0) + ENTRY_BYTES;
}

/** Queries mean nothing to a file. */
function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

/** The request's target as the client sent it: Express shortens `url` below a mounted router. */
function originalUrl(req: IncomingMessage): string {
  if ('originalUrl' in req && typeof req.originalUrl === 'string') return req.originalUrl;
  return req.url ?? '';
}
