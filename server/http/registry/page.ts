/** Lists in pages. OCI distribution specification, "Listing Tags". */
import { DepotError } from '../../index.js';

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next one is, as the value of a `Link` field; absent on the last page. */
  readonly link?: string;
}

/** The longest page; a client that asks for more gets so many and a link. */
const MOST_ITEMS = 10_000;

/**
 * Cuts a page out of a sorted list.
 *
 * @param path - of the list, for the link
 * @param query - `n`, the most items; `last`, behind which the page begins and which need not be in the list
 * @throws DepotError `PAGINATION_NUMBER_INVALID`
 */
export function pageOf<T extends string>(all: readonly T[], path: string, query: URLSearchParams): Page<T> {
  const most = parseCount(query.get('n'));
  if (most === 0) return { items: [] };
  const last = query.get('last');
  const start = last === null ? 0 : firstBehind(all, last);
  const items = all.slice(start, start + most);
  const end = items.at(-1);
  if (end === undefined || start + items.length >= all.length) return { items };
  const next = new URLSearchParams({ n: String(most), last: end });
  return { items, link: `<${path}?${next}>; rel="next"` };
}

/**
 * Reads how many items a client wants at most.
 *
 * @param text - of `n`; `null` if it did not say
 * @throws DepotError `PAGINATION_NUMBER_INVALID`
 */
export function parseCount(text: string | null): number {
  if (text === null) return MOST_ITEMS;
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text), MOST_ITEMS);
  throw new DepotError('PAGINATION_NUMBER_INVALID', 'n: expected a whole number', { n: text.slice(0, 50) });
}

/** The index of the first item behind `last` in a sorted list. */
export function firstBehind(sorted: readonly string[], last: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') <= last) low = middle + 1;
    else high = middle;
  }
  return low;
}
