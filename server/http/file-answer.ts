/** One file as an answer: serve-static decides, the bytes of one open file follow. */
import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join, resolve } from 'node:path';
import { types } from 'node:util';
import { type Asset, DepotError, etagOf, lastModifiedOf, type OpenFile, openRegularFile } from '../index.js';
import { allowsRange, readConditions, type Validators } from './conditional.js';
import { contentTypeOf, isActive } from './content-types.js';
import { consultFileLayer } from './file-layer.js';
import type { HotFiles } from './hot-files.js';
import { multipartBody } from './multipart.js';
import { type ByteRange, contentRange, planRanges, type RangePlan } from './ranges.js';
import type { BodyPart, Transfers } from './transfers.js';

/** How files are answered. */
export interface FileAnswers {
  /** The folder that asset names are relative to. */
  readonly dir: string;
  /** The `Cache-Control` of an asset, by its name. */
  readonly cacheControl: (name: string) => string;
  readonly transfers: Transfers;
  /** A strong entity tag for all files, with its quotes; by default that of the file's version. */
  readonly etag?: string | undefined;
  /** Where full answers of small files are offered. */
  readonly hot?: HotFiles | undefined;
}

/**
 * Answers a GET or HEAD with a file, under all conditions and ranges of the request. The file is opened first, and all
 * that is said and sent is of the open file, whatever takes its place in the meantime.
 *
 * @returns false if that was not possible because the file is being replaced: nothing has been sent, find it anew
 * @throws DepotError; or an error whose `status` is 412 or 416, with `Content-Range` set
 */
export async function answerFile(
  req: IncomingMessage,
  res: ServerResponse,
  asset: Asset,
  answers: FileAnswers,
): Promise<boolean> {
  const file = await openIfThere(asset.path);
  if (file === undefined) return false;
  try {
    const decision = await decide(req, res, asset.name, file.stats, answers);
    if (decision === 'answered' || decision === 'replaced') {
      await file.handle.close();
      return decision === 'answered';
    }
    const parts = layOut(res, decision, asset.name, file.stats.size);
    answers.transfers.send(res, file.handle, parts, file.stats);
  } catch (error) {
    await file.handle.close();
    throw error;
  }
  if (res.statusCode === 200) {
    const place = { path: join(resolve(answers.dir), asset.name), realPath: asset.path };
    answers.hot?.offer(req, res, place, file.stats);
  }
  return true;
}

async function openIfThere(path: string): Promise<OpenFile | undefined> {
  try {
    return await openRegularFile(path);
  } catch (error) {
    if (error instanceof DepotError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

/**
 * What to send; or that all is answered without a body; or that serve-static, which looks at the file by its name, has
 * seen another one there.
 */
type Decision = RangePlan | 'answered' | 'replaced';

/** Sets status and headers as serve-static decides. */
async function decide(
  req: IncomingMessage,
  res: ServerResponse,
  name: string,
  stats: Stats,
  { dir, cacheControl, etag = etagOf(stats) }: FileAnswers,
): Promise<Decision> {
  const before = res.getHeaderNames();
  const current = { etag, lastModified: lastModifiedOf(stats) };
  const description = describe(name, current, cacheControl(name));
  const plan = planFor(req, current, stats.size);
  const headers = { ...readConditions(req.headers), ...rangeField(plan, stats.size) };
  const verdict = await consultFileLayer(req, res, { dir, name, headers, description }).catch(
    (error: unknown) => {
      if (!isUnsatisfiable(error)) throw error;
      if (plan !== 'unsatisfiable') return 'replaced';
      res.setHeader('Content-Range', `bytes */${stats.size}`);
      throw error;
    },
  );
  if (verdict === 'answered') return 'answered';
  if (verdict === 'body' && res.statusCode === (isOnePiece(plan) ? 206 : 200)) return plan;
  startAnew(res, before);
  return 'replaced';
}

function describe(name: string, current: Validators, cacheControl: string): Record<string, string> {
  const type = contentTypeOf(name);
  return {
    'Content-Type': type,
    ETag: current.etag,
    'Last-Modified': current.lastModified,
    'Cache-Control': cacheControl,
    'X-Content-Type-Options': 'nosniff',
    // A page among the assets is a document, not a part of this server: its scripts stay off.
    ...(isActive(type) && { 'Content-Security-Policy': 'sandbox' }),
  };
}

/** A `Range` means something on GET alone (RFC 9110, section 14.2). */
function planFor(req: IncomingMessage, current: Validators, size: number): RangePlan {
  if (req.method !== 'GET' || !allowsRange(req.headers['if-range'], current)) return 'whole';
  return planRanges(req.headers.range, size);
}

function isOnePiece(plan: RangePlan): plan is readonly [ByteRange] {
  return typeof plan !== 'string' && plan.length === 1;
}

/** One piece, or one that does not exist, in the form that serve-static reads; several pieces are ours to lay out. */
function rangeField(plan: RangePlan, size: number): { range?: string } {
  if (plan === 'unsatisfiable') return { range: `bytes=${size}-` };
  if (!isOnePiece(plan)) return {};
  const [{ start, length }] = plan;
  return { range: `bytes=${start}-${start + length - 1}` };
}

function isUnsatisfiable(error: unknown): boolean {
  return types.isNativeError(error) && 'status' in error && error.status === 416;
}

function startAnew(res: ServerResponse, keptHeaders: readonly string[]): void {
  res.statusCode = 200;
  for (const name of res.getHeaderNames()) {
    if (!keptHeaders.includes(name)) res.removeHeader(name);
  }
}

function layOut(res: ServerResponse, plan: RangePlan, name: string, size: number): readonly BodyPart[] {
  if (typeof plan === 'string') return size === 0 ? [] : [{ start: 0, length: size }];
  if (isOnePiece(plan)) {
    res.setHeader('Content-Range', contentRange(plan[0], size));
    return plan;
  }
  const file = { size, contentType: contentTypeOf(name) };
  const body = multipartBody(plan, file, randomBytes(16).toString('hex'));
  res.statusCode = 206;
  res.setHeader('Content-Type', body.contentType);
  return body.parts;
}
