/**
 * `/keys`: the certificates that clients check signatures with. Nothing is sent as it lies in the folder: what leaves
 * was parsed as a certificate and written anew, so a secret cannot.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import express, { type Request, type Response, type Router } from 'express';
import {
  authorityPath,
  DepotError,
  fileError,
  lastModifiedOf,
  type OnRefused,
  type Publication,
  type PublishedKey,
  publishedKeys,
  systemCode,
} from '../index.js';
import { readConditions, type Validators } from './conditional.js';
import { onlyReads } from './only-reads.js';
import { answerPlainText } from './plain-text.js';

/** What the routes need. */
export interface KeysOptions {
  /** The folder of keys. */
  readonly dir: string;
  /** Is told of files in it that are not served though they may seem to be. */
  readonly onRefused?: OnRefused;
}

/** One answer before it is sent. */
interface Body {
  readonly type: string;
  readonly content: Uint8Array;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

const ARMORED = 'application/pgp-keys';
const BINARY = 'application/octet-stream';
const CERTIFICATE_NAME = /^([0-9A-Fa-f]{40})\.asc$/;

const AUTHORITY = 'application/x-x509-ca-cert';
const CERTIFICATES = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * Makes the routes: `/pubkey.asc`, `/pubkey.gpg`, `/<FINGERPRINT>.asc` for each published certificate, and `/ca.crt`, what TLS
 * clients trust.
 */
export function keysRouter({ dir, onRefused }: KeysOptions): Router {
  const look = publishedKeys(dir, onRefused);
  const router = express.Router({ caseSensitive: true, strict: true });
  router
    .route('/:name')
    .all(onlyReads)
    .get(async (req, res) => {
      const { name } = req.params;
      const body = name === 'ca.crt' ? await authorityBody(dir) : bodyFor(name, await look());
      if (body === undefined) throw new DepotError('NOT_FOUND', `no certificate is at ${req.path}`);
      answer(req, res, body);
    });
  return router;
}

function bodyFor(name: string, { current, keys, modifiedMs }: Publication): Body | undefined {
  if (name === 'pubkey.asc') return current && armored(current, Math.max(current.modifiedMs, modifiedMs));
  if (name === 'pubkey.gpg') return keys.length === 0 ? undefined : keyring(keys, modifiedMs);
  const fingerprint = CERTIFICATE_NAME.exec(name)?.[1]?.toUpperCase();
  const key = keys.find(({ certificate }) => certificate.fingerprint === fingerprint);
  return key && armored(key, key.modifiedMs);
}

/** The certificates of the file and nothing else that may have got into it. */
async function authorityBody(dir: string): Promise<Body | undefined> {
  const path = authorityPath(dir);
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'latin1'), stat(path)]);
    const certificates = text.match(CERTIFICATES);
    if (certificates === null) return undefined;
    return { type: AUTHORITY, content: Buffer.from(`${certificates.join('\n')}\n`), modifiedMs: mtimeMs };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path);
  }
}

function armored({ certificate }: PublishedKey, modifiedMs: number): Body {
  return { type: ARMORED, content: Buffer.from(certificate.armored), modifiedMs };
}

/** The current certificate and the earlier ones, one after the other: so gpgv knows old signatures, too. */
function keyring(keys: readonly PublishedKey[], folderMs: number): Body {
  return {
    type: BINARY,
    content: Buffer.concat(keys.map(({ certificate }) => certificate.binary)),
    modifiedMs: Math.max(folderMs, ...keys.map((key) => key.modifiedMs)),
  };
}

/** Sends a small body whole. Ranges are not offered, so a `Range` is passed over (RFC 9110, section 14.2). */
function answer(req: Request, res: Response, { type, content, modifiedMs }: Body): void {
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 24)}"`;
  const lastModified = lastModifiedOf({ mtimeMs: modifiedMs });
  const status = statusFor(readConditions(req.headers), { etag, lastModified });
  if (status === 412) {
    answerPlainText(res, 412, 'precondition failed');
    return;
  }
  res.statusCode = status;
  res.setHeader('ETag', etag);
  res.setHeader('Last-Modified', lastModified);
  res.setHeader('Cache-Control', 'no-cache');
  if (status === 200) {
    res.setHeader('Content-Type', type);
    res.setHeader('Content-Length', content.length);
    res.setHeader('X-Content-Type-Options', 'nosniff');
  }
  res.end(status === 200 ? content : undefined);
}

/** What the conditions lead to, in the order of RFC 9110, section 13.2.2. */
function statusFor(conditions: IncomingHttpHeaders, current: Validators): 200 | 304 | 412 {
  const match = conditions['if-match'];
  const noneMatch = conditions['if-none-match'];
  if (match !== undefined && !lists(match, current)) return 412;
  if (match === undefined && isNewer(current, conditions['if-unmodified-since'])) return 412;
  if (noneMatch !== undefined) return lists(noneMatch, current) ? 304 : 200;
  const since = conditions['if-modified-since'];
  return since === undefined || isNewer(current, since) ? 200 : 304;
}

function lists(field: string, { etag }: Validators): boolean {
  return field === '*' || field.split(', ').some((tag) => tag.replace(/^W\//, '') === etag);
}

function isNewer({ lastModified }: Validators, date: string | undefined): boolean {
  return date !== undefined && Date.parse(lastModified) > Date.parse(date);
}
