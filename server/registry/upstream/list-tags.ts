/** All tags of a repository of another registry. OCI distribution specification, "Listing Tags". */
import { z } from 'zod';
import { isTag, type Tag } from '../../oci/reference.js';
import { connectionFailure, upstreamFailed } from './failures.js';
import { readBody } from './read-body.js';
import type { Source } from './source.js';

/** How a list is asked for. */
export interface TagQuestion {
  readonly source: Source;
  /** Repository, as the registry calls it. */
  readonly name: string;
  readonly tries: number;
  readonly signal?: AbortSignal | undefined;
}

const PAGE = z.object({ tags: z.array(z.string()).nullish() });
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
const MOST_PAGES = 10_000;

/**
 * Reads all pages of the list.
 *
 * @returns `undefined` if the registry has no such repository
 * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`
 */
export async function listTags({ source, name, tries, signal }: TagQuestion): Promise<Tag[] | undefined> {
  const tags = new Set<Tag>();
  let what = 'tags/list?n=1000';
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer = await source.ask({ method: 'GET', name, what, verified: false, tries, signal });
    if (answer === undefined) return page === 0 ? undefined : [...tags];
    const { body, headers } = answer.reply;
    const bytes = await readBody(body, MAX_PAGE_BYTES).catch((error: unknown) => {
      throw connectionFailure(source.name, error).error;
    });
    for (const tag of tagsOf(bytes, source.name)) tags.add(tag);
    const query = nextQuery(headers.link);
    if (query === undefined) return [...tags];
    what = `tags/list?${query}`;
  }
  throw upstreamFailed(source.name, 'lists tags without an end');
}

function tagsOf(bytes: Buffer | undefined, upstream: string): Tag[] {
  let raw: unknown;
  try {
    raw = JSON.parse(bytes?.toString('utf8') ?? '');
  } catch {
    raw = undefined;
  }
  const parsed = PAGE.safeParse(raw);
  if (!parsed.success) throw upstreamFailed(upstream, 'sent something else than a list of tags');
  return (parsed.data.tags ?? []).filter(isTag);
}

/** Of `Link: </v2/a/tags/list?last=x&n=10>; rel="next"` only the query counts. */
function nextQuery(link: string | string[] | undefined): string | undefined {
  return /<[^>?]*\?([^>]*)>\s*;\s*rel="?next"?/.exec(String(link ?? ''))?.[1];
}
