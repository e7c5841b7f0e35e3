/** A part of a sorted list that fits on a page for eyes. */
import { escapeHtml } from './html.js';
import { firstBehind } from './registry/page.js';

/** Items on a page. */
const MOST_ITEMS = 100;

/** Some of a sorted list. */
export interface ListPage<T> {
  readonly items: readonly T[];
  /** Whether it begins at the first. */
  readonly first: boolean;
  /** Behind which the next page begins; absent on the last one. */
  readonly next?: string | undefined;
}

/**
 * Cuts a page out of a list.
 *
 * @param last - behind which it begins; need not be in the list
 */
export function listPageOf<T extends string>(sorted: readonly T[], last: string | null): ListPage<T> {
  const start = last === null ? 0 : firstBehind(sorted, last);
  const end = start + MOST_ITEMS;
  return {
    items: sorted.slice(start, end),
    first: start === 0,
    next: end < sorted.length ? sorted[end - 1] : undefined,
  };
}

/** Links to the first and the next page of a list, where there are any. */
export function moreLinks(path: string, { first, next }: ListPage<unknown>): string {
  const links = [
    first ? undefined : `<a href="${escapeHtml(path)}">first page</a>`,
    next &&
      `<a rel="next" href="${escapeHtml(path)}?last=${escapeHtml(encodeURIComponent(next))}">next page</a>`,
  ].filter((link) => link !== undefined);
  return links.length === 0 ? '' : `<p>${links.join(', ')}\n`;
}
