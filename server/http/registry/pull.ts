/** Reading from the registry: manifests, blobs, lists. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  DepotError,
  type Digest,
  openRegularFile,
  type PulledBlob,
  type PullThrough,
  parseDigest,
  parseReference,
  parseRepositoryName,
  type Registry,
  type RepositoryName,
  type StoredContent,
} from '../../index.js';
import { multipartBody } from '../multipart.js';
import { contentRange, type RangePlan } from '../ranges.js';
import type { BodyPart, Transfers } from '../transfers.js';
import { commonImageFor } from './accept.js';
import { answerBytes, answerEmpty, answerJson, identity, setHeaders, warn } from './answer.js';
import { planBlobRanges } from './blob-ranges.js';
import type { HotBlobs, OpenBlob } from './hot-blobs.js';
import type { HotManifests } from './hot-manifests.js';
import { pageOf } from './page.js';
import { damagedBlob, sendChecking } from './send-checking.js';
import { sendComing } from './send-coming.js';

const BYTES = 'application/octet-stream';

/** What reading needs. */
export interface PullOptions {
  readonly registry: Registry;
  readonly pullThrough: PullThrough;
  readonly transfers: Transfers;
  readonly hotManifests: HotManifests;
  readonly hotBlobs: HotBlobs;
}

/**
 * A GET or HEAD for a manifest: its exact bytes, under its own type whatever the client prefers. Only who asks for a tag and
 * could not read the index that it is gets the image for the most common machine.
 */
export async function getManifest(
  req: IncomingMessage,
  res: ServerResponse,
  address: { readonly name: string; readonly reference: string },
  { registry, pullThrough, hotManifests }: PullOptions,
): Promise<void> {
  const repository = parseRepositoryName(address.name);
  const reference = parseReference(address.reference);
  if (req.method === 'HEAD' && reference.digest !== undefined) {
    await registry.manifests.lease(repository, reference.digest);
  }
  const pulled = await pullThrough.manifest(repository, reference);
  if (pulled === undefined) {
    throw new DepotError('MANIFEST_UNKNOWN', 'the repository has no such manifest', {
      name: repository,
      reference: address.reference,
    });
  }
  const { stored, warning } = pulled;
  if (warning !== undefined) warn(res, warning);
  const instead =
    reference.tag === undefined ? undefined : commonImageFor(req.headers.accept, stored.manifest);
  const other = instead && (await pullThrough.manifest(repository, { digest: instead }));
  const found = other?.stored ?? stored;
  const headers = { ...identity(found.digest), 'Content-Type': found.manifest.mediaType };
  // A tag of an upstream has to be looked at there now and then.
  if (reference.tag === undefined || !pullThrough.hasUpstream(repository)) {
    hotManifests.learn(repository, reference);
  }
  if (isKnown(req, found.digest)) answerEmpty(res, 304, identity(found.digest));
  else answerBytes(res, 200, found.bytes, headers);
}

/** A GET or HEAD for a blob, whole or in pieces. Bytes that nobody has checked lately are checked before they count. */
export async function getBlob(
  req: IncomingMessage,
  res: ServerResponse,
  address: { readonly name: string; readonly digest: string },
  options: PullOptions,
): Promise<void> {
  const repository = parseRepositoryName(address.name);
  const digest = parseDigest(address.digest);
  const { pullThrough, registry, hotBlobs } = options;
  const open = hotBlobs.open(req, repository, digest);
  if (open !== undefined) {
    pullThrough.found(repository);
    return sendOpen(req, res, digest, open, options);
  }
  const local = await (req.method === 'HEAD'
    ? registry.blobs.findForPush(repository, digest)
    : registry.blobs.find(repository, digest));
  if (local !== undefined) pullThrough.found(repository);
  else if (req.method === 'HEAD') return headColdBlob(res, repository, digest, pullThrough);
  const pulled: PulledBlob | undefined =
    local === undefined ? await pullThrough.blob(repository, digest) : { here: local };
  if (pulled === undefined) throw unknownBlob(repository, digest);
  if (isKnown(req, digest)) return answerEmpty(res, 304, identity(digest));
  if (pulled.here?.checked) hotBlobs.learn(repository, digest);
  setHeaders(res, blobHeaders(digest));
  const size = pulled.here === undefined ? pulled.coming.size : pulled.here.stats.size;
  const plan = req.method === 'HEAD' ? 'whole' : planBlobRanges(req.headers.range, size);
  if (plan === 'unsatisfiable') return answerUnsatisfiable(res, size);
  if (pulled.here === undefined) return sendComing(res, pulled.coming, layOut(res, plan, size));
  const failure = await sendBlob(res, pulled.here, plan, options).catch(failureBeforeHeaders(res));
  // It was pushed again, or removed, just now.
  if (failure === 'FILE_CHANGED') await getBlob(req, res, address, options);
  else if (failure === 'NOT_FOUND') throw unknownBlob(repository, digest);
}

/** Tells of what may be different at a second look, as long as nothing was sent. */
function failureBeforeHeaders(res: ServerResponse): (error: unknown) => 'FILE_CHANGED' | 'NOT_FOUND' {
  return (error) => {
    const code = error instanceof DepotError && !res.headersSent ? error.code : undefined;
    if (code === 'FILE_CHANGED' || code === 'NOT_FOUND') return code;
    throw error;
  };
}

/** A HEAD for a blob that only an upstream has does not fetch it. */
async function headColdBlob(
  res: ServerResponse,
  repository: RepositoryName,
  digest: Digest,
  pullThrough: PullThrough,
): Promise<void> {
  const size = await pullThrough.blobSize(repository, digest);
  if (size === undefined) throw unknownBlob(repository, digest);
  setHeaders(res, { ...blobHeaders(digest), 'Content-Length': String(size) });
  res.end();
}

function sendOpen(
  req: IncomingMessage,
  res: ServerResponse,
  digest: Digest,
  { file, size }: OpenBlob,
  { transfers }: PullOptions,
): void {
  setHeaders(res, blobHeaders(digest));
  const plan = planBlobRanges(req.headers.range, size);
  if (plan === 'unsatisfiable') {
    file.close().catch(() => undefined);
    answerUnsatisfiable(res, size);
  } else {
    transfers.send(res, file, layOut(res, plan, size));
  }
}

async function sendBlob(
  res: ServerResponse,
  found: StoredContent,
  plan: Exclude<RangePlan, 'unsatisfiable'>,
  { registry, transfers }: PullOptions,
): Promise<void> {
  if (res.req.method === 'HEAD') {
    res.setHeader('Content-Length', found.stats.size);
    res.end();
  } else if (found.checked || (plan !== 'whole' && (await registry.content.checkLatest(found)))) {
    const { handle, stats } = await openRegularFile(found.path);
    transfers.send(res, handle, layOut(res, plan, stats.size));
  } else if (plan === 'whole') {
    await sendChecking(res, found, registry.content);
  } else {
    throw damagedBlob(found.digest);
  }
}

function layOut(
  res: ServerResponse,
  plan: Exclude<RangePlan, 'unsatisfiable'>,
  size: number,
): readonly BodyPart[] {
  if (plan === 'whole') return size === 0 ? [] : [{ start: 0, length: size }];
  res.statusCode = 206;
  const [first, ...others] = plan;
  if (first !== undefined && others.length === 0) {
    res.setHeader('Content-Range', contentRange(first, size));
    return plan;
  }
  const body = multipartBody(plan, { size, contentType: BYTES }, randomBytes(16).toString('hex'));
  res.setHeader('Content-Type', body.contentType);
  return body.parts;
}

function answerUnsatisfiable(res: ServerResponse, size: number): void {
  res.setHeader('Content-Range', `bytes */${size}`);
  answerJson(res, 416, {
    errors: [{ code: 'RANGE_INVALID', message: 'the blob is shorter', detail: { size } }],
  });
}

/**
 * `/v2/_catalog`.
 *
 * @param mayRead - what the caller may see of it; by default everything
 */
export async function getCatalog(
  res: ServerResponse,
  query: URLSearchParams,
  registry: Registry,
  mayRead: (repository: RepositoryName) => boolean = () => true,
): Promise<void> {
  const all = await registry.catalog.list();
  const { items, link } = pageOf(all.filter(mayRead), '/v2/_catalog', query);
  answerJson(res, 200, { repositories: items }, link === undefined ? {} : { Link: link });
}

/** The tags of a repository. */
export async function getTags(
  res: ServerResponse,
  name: string,
  query: URLSearchParams,
  pullThrough: PullThrough,
): Promise<void> {
  const repository = parseRepositoryName(name);
  const { tags, warning } = await pullThrough.tags(repository);
  if (tags === undefined) {
    throw new DepotError('NAME_UNKNOWN', 'there is no such repository', { name: repository });
  }
  if (warning !== undefined) warn(res, warning);
  const { items, link } = pageOf(tags, `/v2/${repository}/tags/list`, query);
  answerJson(res, 200, { name: repository, tags: items }, link === undefined ? {} : { Link: link });
}

function blobHeaders(digest: Digest): Record<string, string> {
  return { ...identity(digest), 'Accept-Ranges': 'bytes', 'Content-Type': BYTES };
}

/** Whether the client has it: content never changes under its digest, so a weak comparison is as good. */
function isKnown(req: IncomingMessage, digest: Digest): boolean {
  const field = req.headers['if-none-match'];
  return field !== undefined && (field.trim() === '*' || field.includes(`"${digest}"`));
}

function unknownBlob(name: RepositoryName, digest: Digest): DepotError {
  return new DepotError('BLOB_UNKNOWN', 'the repository has no such blob', { name, digest });
}
