/** A blob that is on its way from an upstream: sent as it comes. */
import type { ServerResponse } from 'node:http';
import type { ColdBlob } from '../../index.js';
import type { BodyPart } from '../transfers.js';
import { drained } from './send-checking.js';

/** What is said of a blob, and not of an error. */
const OF_THE_BLOB = ['Docker-Content-Digest', 'ETag', 'Accept-Ranges', 'Content-Range'];

/**
 * Sends the parts of a body as their bytes come. A client that leaves does not matter to anybody else.
 *
 * @param parts - pieces must lie inside the blob
 * @throws DepotError if the rest will not come; the headers may have left by then
 */
export async function sendComing(
  res: ServerResponse,
  blob: ColdBlob,
  parts: readonly BodyPart[],
): Promise<void> {
  res.setHeader(
    'Content-Length',
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  try {
    for await (const bytes of bytesOf(blob, parts)) {
      if (res.destroyed) return;
      if (!res.write(bytes)) await drained(res);
    }
  } catch (error) {
    if (!res.headersSent) for (const name of OF_THE_BLOB) res.removeHeader(name);
    throw error;
  }
  res.end();
}

async function* bytesOf(blob: ColdBlob, parts: readonly BodyPart[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Uint8Array) yield part;
    else yield* blob.read(part.start, part.start + part.length);
  }
}
