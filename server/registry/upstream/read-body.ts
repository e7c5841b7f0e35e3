/** A short body in one piece. */
import type { Readable } from 'node:stream';

/**
 * Reads a body to its end.
 *
 * @returns `undefined` if it has more than `maxBytes`
 * @throws whatever the connection throws
 */
export async function readBody(body: Readable, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) continue;
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}
