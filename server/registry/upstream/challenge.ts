/** What a registry wants to see before it answers: `WWW-Authenticate` (RFC 9110, section 11.6.1). */

/** One way to be let in. */
export interface Challenge {
  /** In lower case: `basic`, `bearer`, … */
  readonly scheme: string;
  /** By name in lower case: `realm`, `service`, `scope`, … */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** A parameter, with the comma before it; else a scheme, alone or before its parameters; else something to step over. */
const PIECE = new RegExp(
  `[\\s,]*(?:(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))|(${TOKEN})(?=\\s|,|$)|[^\\s,]+)`,
  'gy',
);

/**
 * Reads all challenges of an answer; what makes no sense is passed over.
 *
 * @param field - the value of the field, or of each of several
 */
export function parseChallenges(field: string | readonly string[]): Challenge[] {
  const text = typeof field === 'string' ? field : field.join(', ');
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  for (const [, name, quoted, plain, scheme] of text.matchAll(PIECE)) {
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    else if (name !== undefined) {
      const value = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '';
      challenges.at(-1)?.parameters.set(name.toLowerCase(), value);
    }
  }
  return challenges;
}
