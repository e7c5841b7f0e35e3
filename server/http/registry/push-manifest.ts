/** Writing manifests and tags to the registry, and taking them away. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  DepotError,
  type Digest,
  MAX_MANIFEST_BYTES,
  type PullThrough,
  parseDigest,
  parseReference,
  parseRepositoryName,
  parseTag,
  preconditionOf,
} from '../../index.js';
import { answerEmpty } from './answer.js';
import { readSmallBody } from './body.js';
import { causeOf } from './cause.js';
import type { PushOptions } from './push.js';

/** PUT of a manifest, by tag or digest. */
export async function putManifest(
  req: IncomingMessage,
  res: ServerResponse,
  address: { readonly name: string; readonly reference: string; readonly query: URLSearchParams },
  { registry, publicUrl, pullThrough }: PushOptions & { readonly pullThrough: PullThrough },
): Promise<void> {
  const repository = parseRepositoryName(address.name);
  const reference = parseReference(address.reference);
  const tags = reference.digest === undefined ? [] : address.query.getAll('tag').map(parseTag);
  const precondition = preconditionOf(req.headers['if-match'], req.headers['if-none-match']);
  const bytes = await readSmallBody(req, res, MAX_MANIFEST_BYTES);
  const contentType = req.headers['content-type'];
  const sent = { bytes, contentType, tags, precondition };
  const put = () => registry.manifests.put(repository, reference, sent);
  const { digest, manifest } = await put().catch(async (error: unknown) => {
    const missing = missingParts(error);
    if (missing.length > 0 && (await pullThrough.supply(repository, missing))) return put();
    throw error;
  });
  await registry.events.emit({
    action: 'push',
    kind: 'manifest',
    repository,
    digest,
    mediaType: manifest.mediaType,
    size: bytes.length,
    tags: reference.tag === undefined ? tags : [reference.tag],
    cause: () => causeOf(req, publicUrl),
  });
  if (manifest.subject !== undefined) res.setHeader('OCI-Subject', manifest.subject.digest);
  if (tags.length > 0) res.setHeader('OCI-Tag', tags);
  answerEmpty(res, 201, {
    Location: `/v2/${repository}/manifests/${digest}`,
    'Docker-Content-Digest': digest,
  });
}

/** What a manifest was refused for, if it was for that. */
function missingParts(error: unknown): Digest[] {
  if (!(error instanceof DepotError) || error.code !== 'MANIFEST_BLOB_UNKNOWN') return [];
  return [error, ...error.others].map(({ facts }) => parseDigest(String(facts.digest)));
}

/** DELETE of a tag, or of a manifest with all its tags. */
export async function deleteManifest(
  res: ServerResponse,
  address: { readonly name: string; readonly reference: string },
  { registry, publicUrl }: PushOptions,
): Promise<void> {
  const repository = parseRepositoryName(address.name);
  const { digest, tag } = parseReference(address.reference);
  if (digest === undefined) await registry.tags.remove(repository, tag);
  else await registry.manifests.remove(repository, digest);
  await registry.events.emit({
    action: 'delete',
    kind: digest === undefined ? 'tag' : 'manifest',
    repository,
    digest,
    tags: tag === undefined ? [] : [tag],
    cause: () => causeOf(res.req, publicUrl),
  });
  answerEmpty(res, 202, {});
}
