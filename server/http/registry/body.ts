/** What a client sends. It is asked for only when somebody wants it, so that a refusal comes before the bytes do. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DepotError } from '../../index.js';

/** The body of a request. A client that waits to be asked for it (`Expect: 100-continue`) is asked at the first read. */
export function bodyOf(req: IncomingMessage, res: ServerResponse): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      if (req.headers.expect !== undefined) res.writeContinue();
      // Who stops reading still wants to answer.
      return req.iterator({ destroyOnReturn: false });
    },
  };
}

/** A push itself may take as long as it takes. */
const SILENCE_MS = 60_000;

/** Cuts a client that sends nothing for too long while it is waited for: what is done with what came may take longer. */
export function watchBody(req: IncomingMessage, res: ServerResponse, silenceMs: number = SILENCE_MS): void {
  // Of the answer, not the request: that is not told of silence once its body has come, read or not.
  res.setTimeout(silenceMs, () => {
    if (isAwaited(req)) req.socket.destroy();
    else res.setTimeout(silenceMs);
  });
  req.once('end', () => res.setTimeout(0));
}

/** Whether somebody reads, and has read all that came. */
function isAwaited(req: IncomingMessage): boolean {
  return !req.complete && req.readableLength === 0 && req.listenerCount('readable') > 0;
}

/** How many bytes a client says it sends; `undefined` if it does not say. */
export function promisedBytes(req: IncomingMessage): number | undefined {
  const field = req.headers['content-length'];
  return field === undefined ? undefined : Number(field);
}

/**
 * A body whose length nobody told, where the client said which bytes it holds: not one more of them is passed on.
 *
 * @param length - bytes
 * @throws DepotError `SIZE_INVALID`, while it is read: it is longer, or shorter
 */
export async function* exactly(body: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  let left = length;
  for await (const chunk of body) {
    left -= chunk.length;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0)
    throw new DepotError('SIZE_INVALID', `expected the ${length} bytes that Content-Range names`);
}

/**
 * Reads a body that fits in memory. One that is known to be too large is not read at all.
 *
 * @param maxBytes - the most it may have
 * @throws DepotError `MANIFEST_TOO_LARGE`
 */
export async function readSmallBody(
  req: IncomingMessage,
  res: ServerResponse,
  maxBytes: number,
): Promise<Buffer> {
  if ((promisedBytes(req) ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of bodyOf(req, res)) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(maxBytes: number): DepotError {
  return new DepotError('MANIFEST_TOO_LARGE', `a manifest may have ${maxBytes} bytes`, { maxBytes });
}
