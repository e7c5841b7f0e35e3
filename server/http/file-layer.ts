/** serve-static as the file layer: it decides status and headers of a file answer, and leaves the body to us. */
import type { Stats } from 'node:fs';
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
  /** The headers of every answer about this version of the file. */
  readonly describe: (stats: Stats) => Readonly<Record<string, string>>;
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
 * Lets serve-static answer. A HEAD, a 304 and the like it answers in full; before a body it stops, with status and
 * headers set on `res`.
 *
 * @returns what it measured the file by if the body (status 200 or 206) is to follow, `undefined` if all is answered
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`, …; or an error whose `status` is 412 or 416
 */
export function consultFileLayer(
  req: IncomingMessage,
  res: ServerResponse,
  { dir, name, headers, describe }: LayerRequest,
): Promise<Stats | undefined> {
  return new Promise((resolve, reject) => {
    let measured: Stats | undefined;
    const setHeaders = (_res: ServerResponse, _path: string, stats: Stats): void => {
      measured = stats;
      for (const [header, value] of Object.entries(describe(stats))) res.setHeader(header, value);
    };
    const answered = (): void => resolve(undefined);
    res.once('close', answered);
    res.once('pipe', (stream: Readable) => {
      res.off('close', answered);
      stream.unpipe(res);
      stream.destroy();
      resolve(measured);
    });
    const layer = serveStatic(dir, { ...SETTINGS, setHeaders });
    layer(asSeenByLayer(req, name, headers), res, (error) => {
      res.off('close', answered);
      reject(failureOf(error, name));
    });
  });
}

/** The same request with another URL and other headers; the original stays as the client sent it. */
function asSeenByLayer(req: IncomingMessage, name: string, headers: IncomingHttpHeaders): IncomingMessage {
  const url = `/${name.split('/').map(encodeURIComponent).join('/')}`;
  const seen: IncomingMessage = Object.create(req, { url: { value: url }, headers: { value: headers } });
  return seen;
}

function failureOf(error: { status: number } | undefined, name: string): unknown {
  if (error === undefined || error.status === 404)
    return new DepotError('NOT_FOUND', `${name} does not exist`);
  return error.status < 500 ? error : fileError(error, name);
}
