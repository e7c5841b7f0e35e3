/**
 * Small files that are asked for often, answered from memory ahead of Express.
 *
 * What is kept is the full answer of the slow path: its headers, and the bytes of the very version that they describe.
 * Each request looks at the file's path again (one `stat`), so a file that was changed, replaced, removed or closed to
 * us is noticed by the next request, not after some time.
 */
import type { Stats } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FileVersion } from '../index.js';
import { type HotEntry, headersToKeep, isCurrent, readEntry, sendEntry, wishOf } from './hot-entry.js';

/** A bounded memory of small files. */
export interface HotFiles {
  /**
   * Answers a plain GET or HEAD from memory if the file is still the one that was kept; an `If-None-Match` with the
   * very ETag that is kept is plain, too. Synchronous.
   *
   * @returns false when someone else must answer; nothing has been touched then
   */
  answer(req: IncomingMessage, res: ServerResponse): boolean;
  /**
   * Offers a file whose full answer (GET, 200, no coding) is set or sent on `res`. The headers of that answer are
   * kept with the bytes, so an answer from memory looks the same. Reads the file in its own time; what is too
   * large, too fresh or changing is not kept.
   *
   * @param path - the file that the request named, absolute; it is looked at again on each later request
   * @param stats - of the open file that was sent
   */
  offer(req: IncomingMessage, res: ServerResponse, path: string, stats: Stats): void;
}

/** Bounds of the memory. */
export interface HotFilesOptions {
  /** All kept files together, with what surrounds them; 32 MiB by default. */
  readonly maxBytes?: number;
  /** The largest file that is kept; 64 KiB by default. */
  readonly maxFileBytes?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** What one entry costs beside its body, roughly. */
const ENTRY_BYTES = 2048;
/** Offers beyond this many at a time are let go; a file that is asked for often comes again. */
const MAX_LOADING = 16;

/** Makes an empty memory. */
export function createHotFiles(options: HotFilesOptions = {}): HotFiles {
  const { maxBytes, maxFileBytes = 64 * 1024, now = Date.now } = options;
  const entries = new Entries(maxBytes ?? 32 * 1024 * 1024);
  const loading = new Set<string>();

  async function load(key: string, path: string, version: FileVersion, headers: string[]): Promise<void> {
    const entry = await readEntry(path, version, headers);
    if (entry !== undefined) entries.keep(key, entry);
  }

  return {
    answer(req, res) {
      const key = pathOf(req.url ?? '');
      const entry = entries.find(key);
      if (entry === undefined) return false;
      const wish = wishOf(req, entry);
      if (wish === 'other') return false;
      if (!isCurrent(entry)) {
        entries.forget(key);
        return false;
      }
      sendEntry(res, entry, wish);
      return true;
    },
    offer(req, res, path, stats) {
      const key = pathOf(originalUrl(req));
      if (req.method !== 'GET' || res.statusCode !== 200 || stats.size > maxFileBytes) return;
      if (!isSettled(stats, now()) || loading.has(key) || loading.size === MAX_LOADING) return;
      loading.add(key);
      load(key, path, stats, headersToKeep(res))
        .catch(() => undefined)
        .finally(() => loading.delete(key));
    },
  };
}

/** The entries by request path, within their bound. */
class Entries {
  readonly #maxBytes: number;
  readonly #slots = new Map<string, { readonly entry: HotEntry; used: boolean }>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  find(key: string): HotEntry | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    slot.used = true;
    return slot.entry;
  }

  /** Keeps an entry, and forgets the oldest ones that nobody has asked for since the last time (second chance). */
  keep(key: string, entry: HotEntry): void {
    this.forget(key);
    this.#add(key, entry);
    for (const [oldKey, old] of this.#slots) {
      if (this.#bytes <= this.#maxBytes) return;
      this.forget(oldKey);
      if (old.used) this.#add(oldKey, old.entry);
    }
  }

  forget(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#slots.delete(key);
    this.#bytes -= costOf(slot.entry);
  }

  #add(key: string, entry: HotEntry): void {
    this.#slots.set(key, { entry, used: false });
    this.#bytes += costOf(entry);
  }
}

function costOf(entry: HotEntry): number {
  return entry.body.length + ENTRY_BYTES;
}

/**
 * Whether a later change of the file is sure to show in its times. A file that was written a moment ago may be written
 * again within the same tick of the file system's clock, so it is not kept yet; where times are whole seconds,
 * the tick is taken to be as long.
 */
function isSettled({ mtimeMs, ctimeMs }: Stats, nowMs: number): boolean {
  const tickMs = ctimeMs % 1000 === 0 ? 2500 : 100;
  return nowMs - Math.max(mtimeMs, ctimeMs) > tickMs;
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
