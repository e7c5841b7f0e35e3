/** One file as an answer: serve-static decides, the bytes of one open file follow. */
import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join, resolve } from 'node:path';
import {
  type Asset,
  DepotError,
  etagOf,
  lastModifiedOf,
  type OpenFile,
  openRegularFile,
  sameVersion,
} from '../index.js';
import { allowsRange, readConditions } from './conditional.js';
import { contentTypeOf, isActive } from './content-types.js';
import { consultFileLayer } from './file-layer.js';
import type { HotFiles } from './hot-files.js';
import { multipartBody } from './multipart.js';
import { planRanges, type RangePlan } from './ranges.js';
import type { BodyPart, Transfers } from './transfers.js';

/** How files are answered. */
export interface FileAnswers {
  /** The folder that asset names are relative to. */
  readonly dir: string;
  /** The `Cache-Control` of an asset, by its name. */
  readonly cacheControl: (name: string) => string;
  readonly transfers: Transfers;
  /** Where full answers of small files are offered. */
  readonly hot?: HotFiles | undefined;
}

/**
 * Answers a GET or HEAD with a file, under all conditions and ranges of the request.
 *
 * @returns false if the file was replaced in the meantime: nothing has been sent, find it anew and try again
 * @throws DepotError; or an error whose `status` is 412 or 416, `Content-Range` set
 */
export async function answerFile(
  req: IncomingMessage,
  res: ServerResponse,
  asset: Asset,
  answers: FileAnswers,
): Promise<boolean> {
  const { dir } = answers;
  const { name, stats } = asset;
  const before = res.getHeaderNames();
  const describe = (measured: Stats) => describeFile(name, measured, answers.cacheControl(name));
  const plan = planFor(req, stats);
  const headers = { ...readConditions(req.headers), ...rangeField(plan, stats.size) };
  const measured = await consultFileLayer(req, res, { dir, name, headers, describe });
  if (measured === undefined) return true;
  const file = sameVersion(stats, measured) ? await openVersion(asset) : undefined;
  if (file === undefined) {
    startAnew(res, before);
    return false;
  }
  answers.transfers.send(res, file.handle, layOut(res, plan, contentTypeOf(name), stats.size));
  if (res.statusCode === 200) answers.hot?.offer(req, res, join(resolve(dir), name), file.stats);
  return true;
}

function describeFile(name: string, stats: Stats, cacheControl: string): Record<string, string> {
  const type = contentTypeOf(name);
  return {
    'Content-Type': type,
    ETag: etagOf(stats),
    'Last-Modified': lastModifiedOf(stats),
    'Cache-Control': cacheControl,
    'X-Content-Type-Options': 'nosniff',
    // A page among the assets is a document, not a part of this server: its scripts stay off.
    ...(isActive(type) && { 'Content-Security-Policy': 'sandbox' }),
  };
}

/** A `Range` means something on GET alone (RFC 9110, section 14.2). */
function planFor(req: IncomingMessage, stats: Stats): RangePlan {
  const current = { etag: etagOf(stats), lastModified: lastModifiedOf(stats) };
  if (req.method !== 'GET' || !allowsRange(req.headers['if-range'], current)) return 'whole';
  return planRanges(req.headers.range, stats.size);
}

/** One piece, or none that exists, in the form that serve-static reads; several pieces are ours to lay out. */
function rangeField(plan: RangePlan, size: number): { range?: string } {
  if (plan === 'whole') return {};
  if (plan === 'unsatisfiable') return { range: `bytes=${size}-` };
  const [piece, ...others] = plan;
  if (piece === undefined || others.length > 0) return {};
  return { range: `bytes=${piece.start}-${piece.start + piece.length - 1}` };
}

async function openVersion({ path, stats }: Asset): Promise<OpenFile | undefined> {
  let file: OpenFile;
  try {
    file = await openRegularFile(path);
  } catch (error) {
    if (error instanceof DepotError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
  if (sameVersion(stats, file.stats)) return file;
  await file.handle.close();
  return undefined;
}

function startAnew(res: ServerResponse, keptHeaders: readonly string[]): void {
  res.statusCode = 200;
  for (const name of res.getHeaderNames()) {
    if (!keptHeaders.includes(name)) res.removeHeader(name);
  }
}

function layOut(
  res: ServerResponse,
  plan: RangePlan,
  contentType: string,
  size: number,
): readonly BodyPart[] {
  if (plan === 'whole' || plan === 'unsatisfiable') return size === 0 ? [] : [{ start: 0, length: size }];
  if (plan.length === 1) return plan;
  const body = multipartBody(plan, { size, contentType }, randomBytes(16).toString('hex'));
  res.statusCode = 206;
  res.setHeader('Content-Type', body.contentType);
  return body.parts;
}
