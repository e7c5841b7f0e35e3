/** A blob that nobody has checked lately: checked while it is sent, and never delivered whole if it is not right. */
import { once } from 'node:events';
import type { Stats } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { type Content, DepotError, type Digest, openRegularFile, type StoredContent } from '../../index.js';

/** Bytes that are held for a client at a time: less when there are many of them. */
const PIECE_BYTES = 256 * 1024;
const SMALL_PIECE_BYTES = 64 * 1024;
const FEW_CLIENTS = 16;

/** Answers under way. */
let clients = 0;

/** What is said of a blob whose bytes are not what they were. */
export function damagedBlob(digest: Digest): DepotError {
  return new DepotError('BLOB_UNKNOWN', 'the blob is damaged: push it again', { digest });
}

/**
 * Sends a blob with its last piece held back until the digest is known to be right. If it is not, the connection is
 * closed before the end, and the blob is put aside. The check is one for all who get the blob at the time.
 *
 * @throws DepotError `BLOB_UNKNOWN`: it is not right, and nothing of it has been sent; `NOT_FOUND`, `FILE_CHANGED` and others
 */
export async function sendChecking(
  res: ServerResponse,
  found: StoredContent,
  content: Content,
): Promise<void> {
  const { handle, stats } = await openRegularFile(found.path);
  clients += 1;
  try {
    const verdict = content.check({ ...found, stats });
    // Also before the end: who gets wrong bytes slowly is not kept in hope.
    verdict.then((right) => right || !res.headersSent || res.destroy()).catch(() => undefined);
    res.setHeader('Content-Length', stats.size);
    const last = await sendAllButLast(res, handle, stats.size);
    if (!(await verdict)) {
      if (!res.headersSent) throw damagedBlob(found.digest);
    } else if (isSame(stats, await handle.stat())) res.end(last);
    else res.destroy();
  } finally {
    clients -= 1;
    await handle.close();
  }
}

/** Who is slow gets bytes long after they were checked. To be unlinked, when it is pushed again, does not change a file. */
function isSame(before: Stats, now: Stats): boolean {
  return before.size === now.size && before.mtimeMs === now.mtimeMs;
}

/** @returns the last piece, which has not been sent */
async function sendAllButLast(
  res: ServerResponse,
  handle: Awaited<ReturnType<typeof openRegularFile>>['handle'],
  size: number,
): Promise<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  for (let position = 0; position < size && !res.destroyed; position += held.length) {
    if (held.length > 0 && !res.write(held)) await drained(res);
    const most = clients > FEW_CLIENTS ? SMALL_PIECE_BYTES : PIECE_BYTES;
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(most), 0, most, position);
    held = buffer.subarray(0, bytesRead);
    if (bytesRead === 0) break;
  }
  return held;
}

/** Waits until the client has taken what was written, or has left. */
export async function drained(res: ServerResponse): Promise<void> {
  if (res.destroyed) return;
  const left = new AbortController();
  const leave = (): void => left.abort();
  res.once('close', leave);
  await once(res, 'drain', { signal: left.signal }).catch(() => undefined);
  res.off('close', leave);
}
