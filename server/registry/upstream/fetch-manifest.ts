/** One manifest from an upstream, checked. */
import { createHash } from 'node:crypto';
import { DepotError } from '../../errors.js';
import { algorithmOf, type Digest, digestOf, hexOf, isDigest } from '../../oci/digest.js';
import { parseManifest } from '../../oci/manifest.js';
import { bareType, isManifestType, MANIFEST_TYPES, SCHEMA_1_TYPE } from '../../oci/media-type.js';
import type { Reference, RepositoryName } from '../../oci/reference.js';
import { MAX_MANIFEST_BYTES } from '../manifests.js';
import type { Reply } from './dial.js';
import { connectionFailure, upstreamFailed } from './failures.js';
import { remoteName } from './names.js';
import { readBody } from './read-body.js';
import type { Answer, Source } from './source.js';

/** A manifest that came, and is what it says it is. */
export interface FetchedManifest {
  readonly digest: Digest;
  readonly bytes: Buffer;
  /** `undefined` where the upstream's word for it is of no use. */
  readonly contentType: string | undefined;
}

/** How much an answer is worth. */
export interface Haste {
  /** How often the upstream may be asked. */
  readonly tries: number;
  /** For all of it, in milliseconds. */
  readonly withinMs: number;
  /** Ends it before that. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks what a tag has now.
 *
 * @returns the digest; `'unknown'` if the upstream has the tag, but does not say; `undefined` if it has it not
 * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`
 */
export async function askDigest(
  source: Source,
  repository: RepositoryName,
  reference: Reference,
  haste: Haste,
): Promise<Digest | 'unknown' | undefined> {
  const answer = await ask('HEAD', source, repository, reference, haste);
  if (answer === undefined) return undefined;
  answer.reply.drop();
  return toldDigest(answer.reply) ?? 'unknown';
}

/**
 * Fetches a manifest.
 *
 * @returns `undefined` if the upstream has it not
 * @throws DepotError `UPSTREAM_FAILED`: also what it sent is no manifest, or not the one; `UPSTREAM_TIMEOUT`
 */
export async function fetchManifest(
  source: Source,
  repository: RepositoryName,
  reference: Reference,
  haste: Haste,
): Promise<FetchedManifest | undefined> {
  const answer = await ask('GET', source, repository, reference, haste);
  if (answer === undefined) return undefined;
  const { reply, endpoint } = answer;
  const bytes = await readBody(reply.body, MAX_MANIFEST_BYTES).catch((error: unknown) => {
    throw connectionFailure(source.name, error).error;
  });
  if (bytes === undefined) throw upstreamFailed(source.name, 'sent a manifest that is too large');
  expectNewSchema(reply, source.name);
  const wanted = reference.digest ?? toldDigest(reply);
  const algorithm = wanted === undefined ? 'sha256' : algorithmOf(wanted);
  const hex = createHash(algorithm).update(bytes).digest('hex');
  if (wanted !== undefined && hex !== hexOf(wanted)) {
    endpoint.distrust('sent wrong bytes');
    throw upstreamFailed(source.name, 'sent another manifest than was asked for');
  }
  const contentType = typeOf(reply);
  expectManifest(bytes, contentType, source.name);
  return { digest: wanted ?? digestOf(algorithm, hex), bytes, contentType };
}

function ask(
  method: 'GET' | 'HEAD',
  source: Source,
  repository: RepositoryName,
  reference: Reference,
  { tries, withinMs, signal }: Haste,
): Promise<Answer | undefined> {
  const timeout = AbortSignal.timeout(withinMs);
  return source.ask({
    method,
    name: remoteName(source.name, repository),
    what: `manifests/${reference.digest ?? reference.tag}`,
    headers: { accept: MANIFEST_TYPES.join(', ') },
    verified: reference.digest !== undefined,
    tries,
    signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
  });
}

function toldDigest({ headers }: Reply): Digest | undefined {
  const told = headers['docker-content-digest'];
  return typeof told === 'string' && isDigest(told) ? told : undefined;
}

/** Servers of plain files call everything a stream of bytes. */
function typeOf({ headers }: Reply): string | undefined {
  const field = headers['content-type'];
  return typeof field === 'string' && isManifestType(bareType(field)) ? field : undefined;
}

/** The digest of a signed manifest of schema 1 is not that of its bytes: what it is has to be said before they are compared. */
function expectNewSchema({ headers }: Reply, upstream: string): void {
  const field = headers['content-type'];
  if (typeof field !== 'string' || !SCHEMA_1_TYPE.test(bareType(field))) return;
  throw upstreamFailed(
    upstream,
    "has that image in Docker's schema 1 only, which is not read here: push it there with a client of 2016 or newer",
  );
}

function expectManifest(bytes: Buffer, contentType: string | undefined, upstream: string): void {
  try {
    parseManifest(bytes, contentType);
  } catch (cause) {
    if (!(cause instanceof DepotError)) throw cause;
    throw upstreamFailed(upstream, `sent what is not kept here: ${cause.message}`, { cause });
  }
}
