/** Lists of an upstream, with all their pages. OCI distribution specification, "Listing Tags", "Listing Referrers". */
import { z } from 'zod';
import type { Digest } from '../../oci/digest.js';
import { OCI_INDEX } from '../../oci/media-type.js';
import { isTag, type RepositoryName, type Tag } from '../../oci/reference.js';
import { REFERRER, type Referrer } from '../referrers.js';
import { connectionFailure, upstreamFailed } from './failures.js';
import type { Haste } from './fetch-manifest.js';
import { remoteName } from './names.js';
import { readBody } from './read-body.js';
import type { Source } from './source.js';

/** What an upstream lists. */
export interface FetchedList<T> {
  readonly items: readonly T[];
  /** Of all pages, as they came. */
  readonly bytes: number;
}

/** How long a list may take. */
export interface ListHaste extends Haste {
  /** For all pages, in milliseconds; {@link Haste.withinMs} is for each of them. */
  readonly allWithinMs: number;
}

/** Where a list is, and how its pages are read. */
interface ListForm<T> {
  /** Behind the name of the repository, without a query. */
  readonly what: string;
  /** Query of the first page. */
  readonly query: string;
  readonly accept: string;
  /** Statuses of registries that have no such list. */
  readonly absentAt?: readonly number[];
  readonly itemsOf: (page: unknown) => T[];
}

const MOST_BYTES_OF_PAGE = 8 * 1024 * 1024;
const MOST_BYTES = 32 * 1024 * 1024;
const MOST_PAGES = 2000;

const TAGS_PAGE = z.object({ tags: z.array(z.string()).nullish() });
const REFERRERS_PAGE = z.object({ manifests: z.array(z.unknown()).nullish() });

/**
 * Fetches all tags of a repository.
 *
 * @returns `undefined` if the upstream has no such repository
 * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`
 */
export function fetchTags(
  source: Source,
  repository: RepositoryName,
  haste: ListHaste,
): Promise<FetchedList<Tag> | undefined> {
  return fetchPages(source, repository, haste, {
    what: 'tags/list',
    query: '?n=1000',
    accept: 'application/json',
    itemsOf: (page) => (TAGS_PAGE.parse(page).tags ?? []).filter(isTag),
  });
}

/**
 * Fetches all referrers of a manifest. Entries that nobody could use are passed over.
 *
 * @returns `undefined` if the upstream has no such lists
 * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`
 */
export function fetchReferrers(
  source: Source,
  repository: RepositoryName,
  subject: Digest,
  haste: ListHaste,
): Promise<FetchedList<Referrer> | undefined> {
  return fetchPages(source, repository, haste, {
    what: `referrers/${subject}`,
    query: '',
    accept: OCI_INDEX,
    // Registries that do not know the address take it for something else, and find that wrong.
    absentAt: [400, 405, 406, 501],
    itemsOf: (page) =>
      (REFERRERS_PAGE.parse(page).manifests ?? []).flatMap((entry) => REFERRER.safeParse(entry).data ?? []),
  });
}

async function fetchPages<T>(
  source: Source,
  repository: RepositoryName,
  haste: ListHaste,
  form: ListForm<T>,
): Promise<FetchedList<T> | undefined> {
  const ends = [
    AbortSignal.timeout(haste.allWithinMs),
    ...(haste.signal === undefined ? [] : [haste.signal]),
  ];
  const items: T[] = [];
  let bytes = 0;
  let query: string | undefined = form.query;
  for (let pages = 0; query !== undefined; pages += 1) {
    if (pages === MOST_PAGES || bytes > MOST_BYTES)
      throw upstreamFailed(source.name, 'has a list without end');
    const answer = await source.ask({
      method: 'GET',
      name: remoteName(source.name, repository),
      what: form.what + query,
      headers: { accept: form.accept },
      verified: false,
      absentAt: form.absentAt,
      tries: haste.tries,
      signal: AbortSignal.any([...ends, AbortSignal.timeout(haste.withinMs)]),
    });
    if (answer === undefined) return undefined;
    const body = await readBody(answer.reply.body, MOST_BYTES_OF_PAGE).catch((error: unknown) => {
      throw connectionFailure(source.name, error).error;
    });
    bytes += body?.length ?? 0;
    items.push(...read(body, form, source.name));
    query = nextQuery(answer.reply.headers.link);
  }
  return { items, bytes };
}

function read<T>(body: Buffer | undefined, { itemsOf }: ListForm<T>, upstream: string): T[] {
  if (body === undefined) throw upstreamFailed(upstream, 'sent a list that is too large');
  try {
    return itemsOf(JSON.parse(body.toString()));
  } catch (cause) {
    throw upstreamFailed(upstream, 'sent a list that cannot be read', { cause });
  }
}

/** Of the address of the next page nothing counts but the query: whatever it says, no other host is asked. */
function nextQuery(link: string | readonly string[] | undefined): string | undefined {
  const target = /<([^>]*)>\s*;\s*rel="?next"?/i.exec(String(link ?? ''))?.[1] ?? '';
  const start = target.indexOf('?');
  return start === -1 ? undefined : target.slice(start).replace(/#.*/, '');
}
