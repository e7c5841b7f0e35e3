/** serve-static as the file layer: it decides status and headers of a file answer, and leaves the body to us. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import serveStatic from 'serve-static';
import { DepotError, fileError } from '../index.js';

/** What serve-static is to look at. */
export interface LayerRequest {
  /** The assets folder. */
  readonly dir: string;
  /** The file's name below it. */
  readonly name: string;
  /** Conditions and at most one range, well formed; it sees no other header. */
  readonly headers: IncomingHttpHeaders;
  /** The headers of every answer about the file, the validators among them. */
  readonly description: Readonly<Record<string, string>>;
}

/**
 * serve-static streams with `fs.createReadStream`, and hands its own options on to it. In this file system nothing is
 * ever opened, so the stream that we put aside costs no file.
 */
const NO_FILES = {
  open: (_path: string, _flags: string, _mode: number, done: (error: null, fd: number) => void) =>
    done(null, -1),
  read: () => undefined,
  close: (_fd: number, done: (error: null) => void) => done(null),
};

const SETTINGS = {
  fs: NO_FILES,
  fallthrough: false,
  index: false,
  redirect: false,
  dotfiles: 'ignore',
  cacheControl: false,
  etag: false,
  lastModified: false,
};

/**
 * Lets serve-static decide. A 304 it answers itself; before a body it stops, with status and headers set on `res`.
 * A HEAD is decided as the GET of the same name.
 *
 * @returns `body` if one is to follow (status 200 or 206), `answered` if all is done or the client has left
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`, …; or an error whose `status` is 412 or 416
 */
export function consultFileLayer(
  req: IncomingMessage,
  res: ServerResponse,
  { dir, name, headers, description }: LayerRequest,
): Promise<'body' | 'answered'> {
  const setHeaders = (): void => {
    for (const [header, value] of Object.entries(description)) res.setHeader(header, value);
  };
  const layer = serveStatic(dir, { ...SETTINGS, setHeaders });
  return new Promise((resolve, reject) => {
    const answered = (): void => resolve('answered');
    const takeOver = (stream: Readable): void => {
      res.off('close', answered);
      stream.unpipe(res);
      stream.destroy();
      resolve('body');
    };
    res.once('close', answered).once('pipe', takeOver);
    layer(asSeenByLayer(req, name, headers), res, (error) => {
      res.off('close', answered).off('pipe', takeOver);
      reject(failureOf(error, name));
    });
  });
}

/** The same request with another URL and other headers; the original stays as the client sent it. */
function asSeenByLayer(req: IncomingMessage, name: string, headers: IncomingHttpHeaders): IncomingMessage {
  const url = `/${name.split('/').map(encodeURIComponent).join('/')}`;
  const seen: IncomingMessage = Object.create(req, {
    method: { value: 'GET' },
    url: { value: url },
    headers: { value: headers },
  });
  return seen;
}

function failureOf(error: { status: number } | undefined, name: string): unknown {
  if (error === undefined || error.status === 404) {
    return new DepotError('NOT_FOUND', `${name} does not exist`);
  }
  return error.status < 500 ? error : fileError(error, name);
}
