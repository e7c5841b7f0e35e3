/** The body of a push. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long a client that pushes may send nothing. A push itself may take as long as it takes. */
const SILENCE_MS = 60_000;

/**
 * The bytes that a client sends. One that waits to be asked is asked when somebody begins to read, and so never for what is
 * refused.
 */
export function bodyOf(req: IncomingMessage, res: ServerResponse): AsyncIterable<Uint8Array> {
  req.setTimeout(SILENCE_MS);
  return req.headers.expect === undefined ? req : askedBody(req, res);
}

async function* askedBody(req: IncomingMessage, res: ServerResponse): AsyncIterable<Uint8Array> {
  res.writeContinue();
  yield* req;
}

/** How many bytes a client says it sends; `undefined` if it does not say. */
export function promisedBytes(req: IncomingMessage): number | undefined {
  const field = req.headers['content-length'];
  return field === undefined ? undefined : Number(field);
}
