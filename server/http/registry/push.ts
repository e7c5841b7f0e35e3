/** Writing blobs to the registry, and taking them away. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type ContentEvent,
  DepotError,
  type Digest,
  isAlgorithm,
  parseDigest,
  parseRepositoryName,
  type Registry,
  type RepositoryName,
  type UploadPart,
} from '../../index.js';
import { answerEmpty, setHeaders } from './answer.js';
import { bodyOf, exactly, promisedBytes } from './body.js';
import { causeOf } from './cause.js';

const BYTES = 'application/octet-stream';

/** What writing needs. */
export interface PushOptions {
  readonly registry: Registry;
  /** What the configuration says about the server's address. */
  readonly publicUrl?: string | undefined;
}

/**
 * POST of an upload: mounts a blob, takes one whole, or begins a session.
 *
 * @param mayRead - what can be mounted from; by default everything
 */
export async function beginUpload(
  req: IncomingMessage,
  res: ServerResponse,
  { name, query }: { readonly name: string; readonly query: URLSearchParams },
  options: PushOptions,
  mayRead: MayRead | undefined,
): Promise<void> {
  const { registry } = options;
  const repository = parseRepositoryName(name);
  const mounted = await mountBlob(repository, query, registry, mayRead);
  if (mounted !== undefined) {
    await noteBlob(res, options, { action: 'mount', repository, ...mounted });
    return answerCreated(res, repository, mounted.digest);
  }
  const algorithm = query.get('digest-algorithm') ?? 'sha256';
  if (!isAlgorithm(algorithm)) {
    throw new DepotError('DIGEST_INVALID', 'digest-algorithm: expected sha256 or sha512', { algorithm });
  }
  const whole = query.get('digest');
  if (whole === null) {
    return answerUpload(res, 202, repository, await registry.uploads.begin(repository, algorithm));
  }
  const digest = parseDigest(whole);
  const size = await registry.uploads.take(repository, digest, partOf(req, res));
  await noteBlob(res, options, { action: 'push', repository, digest, size });
  answerCreated(res, repository, digest);
}

type MayRead = (repository: RepositoryName) => boolean;

/** A blob that was mounted. */
interface MountedBlob {
  readonly digest: Digest;
  /** Where it was taken from, if that was said or looked for. */
  readonly from: RepositoryName | undefined;
  /** Bytes. */
  readonly size: number | undefined;
}

/** @returns what was mounted; `undefined` if nothing was asked for, or it is not here for this caller */
async function mountBlob(
  repository: RepositoryName,
  query: URLSearchParams,
  registry: Registry,
  mayRead: MayRead | undefined,
): Promise<MountedBlob | undefined> {
  const text = query.get('mount');
  if (text === null) return undefined;
  const digest = parseDigest(text);
  const named = query.get('from');
  let from = named === null ? undefined : parseRepositoryName(named);
  if (mayRead !== undefined) {
    const sources = from === undefined ? await registry.catalog.list() : [from];
    from = await registry.blobs.firstWith(digest, sources.filter(mayRead));
    if (from === undefined) return undefined;
  }
  if (!(await registry.blobs.mount(repository, digest, from))) return undefined;
  return { digest, from, size: (await registry.blobs.find(repository, digest))?.stats.size };
}

/** The address of an upload. */
interface UploadAddress {
  readonly name: string;
  readonly id: string;
}

/** GET of an upload: how far it is. */
export async function getUpload(
  res: ServerResponse,
  { name, id }: UploadAddress,
  registry: Registry,
): Promise<void> {
  const repository = parseRepositoryName(name);
  answerUpload(res, 204, repository, await registry.uploads.state(repository, id));
}

/** PATCH of an upload: a part of it, or all of it in one stream. */
export async function appendUpload(
  req: IncomingMessage,
  res: ServerResponse,
  { name, id }: UploadAddress,
  registry: Registry,
): Promise<void> {
  const repository = parseRepositoryName(name);
  const state = await orOutOfOrder(res, repository, id, () =>
    registry.uploads.append(repository, id, partOf(req, res)),
  );
  answerUpload(res, 202, repository, state);
}

/** PUT of an upload: the last part, which may be empty, and the digest of the whole. */
export async function finishUpload(
  req: IncomingMessage,
  res: ServerResponse,
  { name, id, query }: UploadAddress & { readonly query: URLSearchParams },
  options: PushOptions,
): Promise<void> {
  const repository = parseRepositoryName(name);
  const text = query.get('digest');
  if (text === null) throw new DepotError('DIGEST_INVALID', 'expected ?digest= with the digest of the whole');
  const digest = parseDigest(text);
  const size = await orOutOfOrder(res, repository, id, () =>
    options.registry.uploads.finish(repository, id, digest, partOf(req, res)),
  );
  await noteBlob(res, options, { action: 'push', repository, digest, size });
  answerCreated(res, repository, digest);
}

/** DELETE of an upload. */
export async function cancelUpload(
  res: ServerResponse,
  { name, id }: UploadAddress,
  registry: Registry,
): Promise<void> {
  await registry.uploads.cancel(parseRepositoryName(name), id);
  answerEmpty(res, 204, {});
}

/** A part that comes out of order is answered with where the upload stands; nothing of it was taken. */
async function orOutOfOrder<T>(
  res: ServerResponse,
  repository: RepositoryName,
  id: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DepotError && error.code === 'RANGE_INVALID') {
      const offset = Number(error.facts.offset ?? 0);
      setHeaders(res, uploadHeaders(repository, { id, offset }));
    }
    throw error;
  }
}

/** What a request sends, and where it says that belongs. */
function partOf(req: IncomingMessage, res: ServerResponse): UploadPart {
  const field = req.headers['content-range'];
  const body = bodyOf(req, res);
  const bytes = promisedBytes(req);
  if (field === undefined) return { body, bytes };
  const [, first, last] = /^(?:bytes )?(\d+)-(\d+)(?:\/.*)?$/.exec(field) ?? [];
  if (first === undefined) {
    throw new DepotError('SIZE_INVALID', 'Content-Range: expected first-last', { 'Content-Range': field });
  }
  const length = Number(last) - Number(first) + 1;
  if (length < 1 || (bytes !== undefined && bytes !== length)) {
    throw new DepotError('SIZE_INVALID', `Content-Range is of ${length} bytes, Content-Length is ${bytes}`);
  }
  return { body: bytes === undefined ? exactly(body, length) : body, bytes, start: Number(first) };
}

/** DELETE of a blob from a repository. */
export async function deleteBlob(
  res: ServerResponse,
  address: { readonly name: string; readonly digest: string },
  options: PushOptions,
): Promise<void> {
  const repository = parseRepositoryName(address.name);
  const digest = parseDigest(address.digest);
  await options.registry.blobs.remove(repository, digest);
  await noteBlob(res, options, { action: 'delete', repository, digest });
  answerEmpty(res, 202, {});
}

/** Tells of a blob that came or went, before the client hears of it. */
function noteBlob(
  res: ServerResponse,
  { registry, publicUrl }: PushOptions,
  event: Pick<ContentEvent, 'action' | 'repository' | 'digest' | 'size' | 'from'>,
): Promise<void> {
  const cause = () => causeOf(res.req, publicUrl);
  return registry.events.emit({ ...event, kind: 'blob', mediaType: BYTES, tags: [], cause });
}

function answerCreated(res: ServerResponse, repository: RepositoryName, digest: Digest): void {
  answerEmpty(res, 201, { Location: `/v2/${repository}/blobs/${digest}`, 'Docker-Content-Digest': digest });
}

interface UploadPlace {
  readonly id: string;
  readonly offset: number;
}

function answerUpload(
  res: ServerResponse,
  status: number,
  repository: RepositoryName,
  place: UploadPlace,
): void {
  answerEmpty(res, status, uploadHeaders(repository, place));
}

/** An empty upload and one of a single byte look alike here: so the specification has it. */
function uploadHeaders(repository: RepositoryName, { id, offset }: UploadPlace): Record<string, string> {
  return {
    Location: `/v2/${repository}/blobs/uploads/${id}`,
    Range: `0-${Math.max(0, offset - 1)}`,
    'Docker-Upload-UUID': id,
  };
}
