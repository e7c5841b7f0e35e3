/** A folder as an answer: a redirect to its proper address, or its listing. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { type Asset, type AssetsFolder, DepotError, listFolder } from '../index.js';
import { pageHeaders } from './html.js';
import { LISTING_STYLE, listingAsHtml, listingAsJson } from './listing-page.js';
import { encodeQuery, splitTarget } from './request-target.js';

/** How folders are answered. */
export interface FolderAnswers extends AssetsFolder {
  /** Whether they are listed; else they are not there. */
  readonly listing: boolean;
}

const HTML_HEADERS = pageHeaders(LISTING_STYLE);
const JSON_HEADERS = {
  'Content-Type': 'application/json; charset=utf-8',
  'X-Content-Type-Options': 'nosniff',
};

/**
 * Answers a GET or HEAD with a folder: at an address that ends in a slash with its listing, else with a redirect there.
 *
 * @throws DepotError `NOT_FOUND` (also if folders are not listed), `ACCESS_DENIED`, `BUSY`
 */
export async function answerFolder(
  req: Request,
  res: Response,
  folder: Asset,
  answers: FolderAnswers,
): Promise<void> {
  const { path, query } = splitTarget(req.originalUrl);
  if (!path.endsWith('/')) redirect(req, res, folder.name, query);
  else if (answers.listing) await list(req, res, folder, answers);
  else throw new DepotError('NOT_FOUND', 'folders are not listed here');
}

/**
 * The address is a path, and in it every colon is encoded: iPXE takes what stands before a literal one for an unknown
 * scheme.
 */
function redirect(req: Request, res: Response, name: string, query: string): void {
  const location = [req.baseUrl, ...partsOf(name).map(encodeURIComponent), ''].join('/') + encodeQuery(query);
  const body = 'a folder, see Location\n';
  res.writeHead(301, {
    Location: location,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    'Cache-Control': 'no-cache',
    'X-Content-Type-Options': 'nosniff',
  });
  res.end(body);
}

/** HTML, or JSON for a client that prefers it; made as fast as the client takes it. */
async function list(req: Request, res: Response, folder: Asset, answers: FolderAnswers): Promise<void> {
  const batches = await listFolder({ path: folder.path, root: answers.dir, symlinks: answers.symlinks });
  const asJson = req.accepts(['html', 'json']) === 'json';
  const headers = asJson ? JSON_HEADERS : HTML_HEADERS;
  res.writeHead(200, { ...headers, 'Cache-Control': 'no-cache', Vary: 'Accept' });
  if (req.method === 'HEAD') {
    res.end();
    return;
  }
  const path = [req.baseUrl, ...partsOf(folder.name), ''].join('/');
  const page = { path, hasParent: folder.name !== '', batches };
  const text = asJson ? listingAsJson(page) : listingAsHtml(page);
  await pipeline(Readable.from(text), res).catch((error: unknown) => {
    if (!req.socket.destroyed) throw error;
  });
}

function partsOf(name: string): string[] {
  return name === '' ? [] : name.split('/');
}
