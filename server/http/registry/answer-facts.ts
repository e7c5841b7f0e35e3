/** What an answer under `/v2/` was about, read off its address and its headers when it has ended. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Digest,
  isDigest,
  isRepositoryName,
  isTag,
  type RepositoryName,
  type Tag,
} from '../../index.js';
import { notedFacts } from '../request-facts.js';

/** All of it is checked text: what a client sent amiss is left out. */
export interface AnswerFacts {
  /** What the address is one of; absent for lists and uploads. */
  readonly kind?: 'blob' | 'manifest' | undefined;
  readonly repository?: RepositoryName | undefined;
  readonly tag?: Tag | undefined;
  /** As it was asked for, or answered. */
  readonly digest?: Digest | undefined;
  readonly user?: string | undefined;
  /** The code of the error that was answered. */
  readonly error?: string | undefined;
}

/**
 * Reads the facts.
 *
 * @param path - of the request, without its query
 */
export function answerFactsOf(req: IncomingMessage, res: ServerResponse, path: string): AnswerFacts {
  const noted = notedFacts(req);
  const { kind, name, last } = takeApart(path);
  const { user, error } = noted;
  return {
    kind,
    repository: noted.repository ?? (isRepositoryName(name) ? name : undefined),
    tag: kind === 'manifest' && isTag(last) ? last : undefined,
    digest: noted.digest ?? (isDigest(last) ? last : digestIn(res)),
    user,
    error,
  };
}

/** Every request comes through here, so that this is plainer than reading the address in full. */
function takeApart(
  path: string,
): Pick<AnswerFacts, 'kind'> & { readonly name: string; readonly last: string } {
  const text = path.includes('%') ? decode(path) : path;
  const end = text.lastIndexOf('/');
  const start = text.lastIndexOf('/', end - 1);
  const word = text.slice(start + 1, end);
  const name = text.slice((word === 'signatures' ? '/extensions/v2/' : '/v2/').length, start);
  const last = text.slice(end + 1);
  if (word === 'manifests') return { kind: 'manifest', name, last };
  if (word === 'blobs' && last !== 'uploads') return { kind: 'blob', name, last };
  return { name: name.endsWith('/blobs') ? name.slice(0, -'/blobs'.length) : name, last };
}

function digestIn(res: ServerResponse): Digest | undefined {
  const field = res.getHeader('docker-content-digest');
  return typeof field === 'string' && isDigest(field) ? field : undefined;
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return '';
  }
}
