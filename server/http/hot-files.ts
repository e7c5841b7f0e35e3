/** Small files that are asked for often, answered from memory ahead of Express. */
import type { Stats } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** A bounded memory of small files. */
export interface HotFiles {
  /**
   * Answers a plain GET or HEAD from memory if the file is still the one that was kept. Synchronous.
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
  /** All kept files and headers together; 32 MiB by default. */
  readonly maxBytes?: number;
  /** The largest file that is kept; 64 KiB by default. */
  readonly maxFileBytes?: number;
}

/** Makes an empty memory. */
export function createHotFiles(_options: HotFilesOptions = {}): HotFiles {
  return { answer: () => false, offer: () => undefined };
}
