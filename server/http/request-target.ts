/** The target of a request line (RFC 9112, section 3.2), taken apart before anything is decoded. */

/** A request target's two parts, still percent-encoded. */
export interface RequestTarget {
  readonly path: string;
  /** With its question mark; `''` if there is none. */
  readonly query: string;
}

/**
 * Splits a target in origin form (`/path?query`) or absolute form (`http://host/path?query`). A fragment has no place
 * in one; it is cut off.
 */
export function splitTarget(target: string): RequestTarget {
  const [, path = '', query = ''] = /^(?:https?:\/\/[^/?#]*)?([^?#]*)(\?[^#]*)?/i.exec(target) ?? [];
  return { path, query };
}

/**
 * A query as it may stand in a `Location`: as it came, but without characters that a header or a URL may not hold,
 * and without colons.
 */
export function encodeQuery(query: string): string {
  return query.replace(/[^\x21-\x7e]|[:"<>\\^`{|}]/g, encodeByte);
}

function encodeByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
