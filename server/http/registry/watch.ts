/** Each answer of the registry when it has ended: what it means to the figures and listeners, and what its log line says. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from '../../index.js';
import { type DescribeAnswer, type FinishedAnswer, quote } from '../access-log.js';
import { type AnswerFacts, answerFactsOf } from './answer-facts.js';
import { causeOf } from './cause.js';
import { isRegistryUrl } from './route.js';

const PUSHING: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Watches the answers of a registry, whoever gave them: a handler, or a memory in front of it.
 *
 * @param publicUrl - what the configuration says about the server's address
 */
export function watchRegistry(registry: Registry, publicUrl: string | undefined): DescribeAnswer {
  return (req, res, answer) => {
    if (!isRegistryUrl(answer.path)) return '';
    const facts = answerFactsOf(req, res, answer.path);
    if (isPull(req, answer)) {
      notePull(registry, { req, res, publicUrl }, facts, answer.bytes);
    } else if (answer.status >= 400 && PUSHING.has(req.method ?? '')) {
      void registry.events.emit({ action: 'refuse', reason: reasonOf(facts, answer) });
    }
    return membersOf(facts);
  };
}

function isPull({ method }: IncomingMessage, { complete, status }: FinishedAnswer): boolean {
  return method === 'GET' && complete && (status === 200 || status === 206);
}

interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly publicUrl: string | undefined;
}

function notePull(
  { events }: Registry,
  { req, res, publicUrl }: Exchange,
  { kind, repository, digest, tag }: AnswerFacts,
  size: number,
): void {
  if (kind === undefined || repository === undefined) return;
  const type = res.getHeader('content-type');
  void events.emit({
    action: 'pull',
    kind,
    repository,
    digest,
    mediaType: typeof type === 'string' ? type : undefined,
    size,
    tags: tag === undefined ? [] : [tag],
    cause: () => causeOf(req, publicUrl),
  });
}

/** A code of the table of errors, so that there are few: they become labels of a metric. */
function reasonOf({ error }: AnswerFacts, { status }: FinishedAnswer): string {
  return error ?? (status === 499 ? 'CLIENT_LEFT' : 'OTHER');
}

function membersOf({ repository, tag, digest, user, error }: AnswerFacts): string {
  let members = '';
  if (repository !== undefined) members += `,"repository":"${repository}"`;
  if (tag !== undefined) members += `,"reference":"${tag}"`;
  if (digest !== undefined) members += `,"digest":"${digest}"`;
  if (user !== undefined) members += `,"user":${quote(user)}`;
  if (error !== undefined) members += `,"error":"${error}"`;
  return members;
}
