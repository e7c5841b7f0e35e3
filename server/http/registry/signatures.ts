/**
 * Signatures of images by the registry's signature extension, which spares clients the configuration of a lookaside. They are the
 * same files. containers/image, docs/signature-protocols.md.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  DepotError,
  type Lookaside,
  parseDigest,
  parseRepositoryName,
  parseSignatureUpload,
  type Registry,
  readKeyring,
  refuseFalseSignature,
} from '../../index.js';
import { answerEmpty, answerJson, type Headers } from './answer.js';
import { readSmallBody } from './body.js';

/** Where signatures are, and which keys are ours. */
export interface SignaturesFace {
  readonly lookaside: Lookaside;
  /** The folder of keys: a signature by one of these must be good. */
  readonly keysDir: string;
}

/** Tells clients that there is this extension. */
export const SUPPORTED: Headers = { 'X-Registry-Supports-Signatures': '1' };

/** A signature of the largest size in base64, with room for what is around it. */
const MOST_BYTES = 100 * 1024;

/** GET of all signatures of a manifest; none is an empty list. */
export async function getSignatures(
  res: ServerResponse,
  address: { readonly name: string; readonly digest: string },
  { lookaside }: SignaturesFace,
): Promise<void> {
  const digest = parseDigest(address.digest);
  const stored = await lookaside.list({ repository: parseRepositoryName(address.name), digest });
  const signatures = stored.map(({ bytes }) => ({
    schemaVersion: 2,
    // A name that stays the same as long as the signature does: 32 characters behind the digest.
    name: `${digest}@${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}`,
    type: 'atomic',
    content: bytes.toString('base64'),
  }));
  answerJson(res, 200, { signatures });
}

/** PUT of one more signature. */
export async function putSignature(
  req: IncomingMessage,
  res: ServerResponse,
  address: { readonly name: string; readonly digest: string },
  { lookaside, keysDir }: SignaturesFace,
  { manifests }: Registry,
): Promise<void> {
  const repository = parseRepositoryName(address.name);
  const digest = parseDigest(address.digest);
  const { bytes, signature } = await parseSignatureUpload(await readSmallBody(req, res, MOST_BYTES), digest);
  await refuseFalseSignature(signature, await readKeyring(keysDir), new Date());
  if ((await manifests.find(repository, { digest })) === undefined) {
    throw new DepotError('MANIFEST_UNKNOWN', 'the repository has no such manifest', { digest });
  }
  await lookaside.add({ repository, digest }, bytes);
  answerEmpty(res, 201, {});
}
