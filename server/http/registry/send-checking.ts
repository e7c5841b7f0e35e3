/** A blob that nobody has checked lately: hashed while it is sent, and never delivered whole if it is not right. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { algorithmOf, type Content, hexOf, openRegularFile, type StoredContent } from '../../index.js';

const PIECE_BYTES = 256 * 1024;

/**
 * Sends a blob with its last piece held back until the digest is known to be right. If it is not, the connection is
 * closed before the end, and the blob is put aside.
 */
export async function sendChecking(
  res: ServerResponse,
  found: StoredContent,
  content: Content,
): Promise<void> {
  const { handle, stats } = await openRegularFile(found.path);
  try {
    const hash = createHash(algorithmOf(found.digest));
    res.setHeader('Content-Length', stats.size);
    let held: Buffer = Buffer.alloc(0);
    for (let position = 0; position < stats.size && !res.destroyed; ) {
      const { bytesRead, buffer } = await handle.read(
        Buffer.allocUnsafe(PIECE_BYTES),
        0,
        PIECE_BYTES,
        position,
      );
      if (bytesRead === 0) break;
      position += bytesRead;
      const piece = buffer.subarray(0, bytesRead);
      hash.update(piece);
      if (held.length > 0 && !res.write(held)) await drained(res);
      held = piece;
    }
    if (res.destroyed) return;
    if (hash.digest('hex') === hexOf(found.digest)) {
      content.noteChecked(found.digest, stats);
      res.end(held);
    } else {
      await content.quarantine({ ...found, stats });
      res.destroy();
    }
  } finally {
    await handle.close();
  }
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
