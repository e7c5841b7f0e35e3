/** The text of an htpasswd file: one `name:hash` a line, as `htpasswd -B` of Apache writes it. Only bcrypt counts. */

/** A line that does not count. Neither its hash nor its password is in here. */
export interface RefusedLine {
  /** From 1. */
  readonly line: number;
  /** As it was written; empty where the line has none. */
  readonly user: string;
  /** What is wrong, ending the sentence "the line has …". */
  readonly reason: string;
}

/** What such a file says. */
export interface Htpasswd {
  /** bcrypt hashes by user. */
  readonly hashes: ReadonlyMap<string, string>;
  readonly refused: readonly RefusedLine[];
}

/** Version, cost, and 16 bytes of salt and 23 of hash in bcrypt's own alphabet. */
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const LEAST_COST = 4;
/** More takes a second and longer for each login, of a processor that others wait for. */
const MOST_COST = 14;

const OTHER_HASHES: readonly [RegExp, string][] = [
  [/^\$2/, 'a damaged bcrypt hash'],
  [/^\$apr1\$/, 'an MD5 hash ($apr1$)'],
  [/^\{SHA\}/, 'a SHA-1 hash ({SHA})'],
  [/^\$[156y]\$/, 'a hash of crypt(3)'],
];

/** Names that mean something else in a rule. */
const RESERVED: ReadonlySet<string> = new Set(['*', 'anyone']);

/** Reads the text of an htpasswd file. Empty lines and those that begin with `#` are passed over. */
export function parseHtpasswd(text: string): Htpasswd {
  const hashes = new Map<string, string>();
  const refused: RefusedLine[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const user = line.slice(0, Math.max(0, colon));
    const hash = line.slice(colon + 1);
    const reason = faultOf(user, hash) ?? (hashes.has(user) ? 'a user that an earlier line has' : undefined);
    if (reason === undefined) hashes.set(user, hash);
    else refused.push({ line: index + 1, user, reason });
  }
  return { hashes, refused };
}

/** Whether somebody may be called that. */
export function isUserName(text: string): boolean {
  return /^[^\s:#][^\s:]*$/.test(text) && !RESERVED.has(text);
}

function faultOf(user: string, hash: string): string | undefined {
  if (user === '') return 'no user before a colon';
  if (RESERVED.has(user)) return 'a name that rules use for others';
  const cost = costOf(hash);
  if (cost === undefined) return OTHER_HASHES.find(([form]) => form.test(hash))?.[1] ?? 'no bcrypt hash';
  return cost < LEAST_COST || cost > MOST_COST ? `a bcrypt cost of ${cost}` : undefined;
}

/** The cost of a bcrypt hash, of which the time it takes is a power of two; `undefined` for any other text. */
export function costOf(hash: string): number | undefined {
  const cost = BCRYPT.exec(hash)?.[1];
  return cost === undefined ? undefined : Number(cost);
}
