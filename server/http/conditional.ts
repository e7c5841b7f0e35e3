/**
 * Conditional requests (RFC 9110, section 13). serve-static evaluates them in the right order, but reads them more
 * loosely than the standard; here they are put into the form in which it gets each one right.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { parseHttpDate } from './http-date.js';

/** The validators of a file as it is now. */
export interface Validators {
  /** A strong entity tag, with its quotes. */
  readonly etag: string;
  /** An HTTP date. */
  readonly lastModified: string;
}

/** How old a date must be to count as strong; the standard's own figure. */
const STRONG_AFTER_MS = 60_000;

/** An entity tag that no file has. */
const NO_TAG = '""';
const ENTITY_TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

/**
 * The conditions of a request, for serve-static: tags that cannot match under the comparison of their field are
 * gone, dates are in the one usual form and those that are none are gone, and a field is left out where another
 * takes its place. `Cache-Control` is left out too: `no-cache` asks caches to revalidate, and an answer of 304 is that.
 */
export function readConditions(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  return {
    ...(match === undefined
      ? dateField('if-unmodified-since', headers['if-unmodified-since'])
      : { 'if-match': tagList(match, (tag) => !tag.startsWith('W/')) }),
    ...(noneMatch === undefined
      ? dateField('if-modified-since', headers['if-modified-since'])
      : { 'if-none-match': tagList(noneMatch, () => true) }),
  };
}

function tagList(field: string, canMatch: (tag: string) => boolean): string {
  if (field.trim() === '*') return '*';
  const tags = (field.match(ENTITY_TAG) ?? []).filter(canMatch);
  return tags.length === 0 ? NO_TAG : tags.join(', ');
}

function dateField(name: string, field: string | undefined): IncomingHttpHeaders {
  const time = field === undefined ? undefined : parseHttpDate(field);
  return time === undefined ? {} : { [name]: new Date(time).toUTCString() };
}

/**
 * Whether a `Range` is to be looked at under `If-Range` (section 13.1.5): only if that names exactly the current
 * version, by its strong tag or by its date. A date is strong only when the file is sure not to have changed twice in that
 * second (section 8.8.2.2), which for a fresh file nobody knows.
 *
 * @param ifRange - the field as Node gives it; `undefined` if it was not sent
 */
export function allowsRange(
  ifRange: string | string[] | undefined,
  current: Validators,
  now: number = Date.now(),
): boolean {
  if (ifRange === undefined) return true;
  if (typeof ifRange !== 'string') return false;
  if (ifRange === current.etag) return true;
  const time = parseHttpDate(ifRange);
  return time !== undefined && time === parseHttpDate(current.lastModified) && now - time >= STRONG_AFTER_MS;
}
