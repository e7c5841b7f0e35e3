/**
 * `SHA256SUMS`: the digests of a folder's files in the form that `sha256sum` of GNU coreutils writes and checks.
 * A name that holds a backslash, a line feed or a carriage return is escaped, and its line begins with a backslash.
 */
import { DepotError } from '../errors.js';

/** One line: a file and its digest. */
export interface Checksum {
  /** As the list has it; in lists that bootdepot makes, a name without a folder. */
  readonly name: string;
  /** 64 lower-case hex characters. */
  readonly sha256: string;
}

const LINE = /^(\\?)([0-9a-f]{64}) [ *](.+)$/is;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' };
const UNESCAPES: Readonly<Record<string, string>> = { '\\\\': '\\', '\\n': '\n', '\\r': '\r' };

/** Writes a list, sorted by name (UTF-16 code unit), so that the same files always give the same bytes. */
export function formatChecksums(checksums: Iterable<Checksum>): string {
  const sorted = [...checksums].sort((one, other) => (one.name < other.name ? -1 : 1));
  return sorted.map(formatLine).join('');
}

function formatLine({ name, sha256 }: Checksum): string {
  const escaped = name.replace(/[\\\n\r]/g, (character) => ESCAPES[character] ?? character);
  return `${escaped === name ? '' : '\\'}${sha256}  ${escaped}\n`;
}

/**
 * Reads a list, also one that another program wrote: text or binary mode, CRLF line ends, comments and empty lines.
 *
 * @param text - untrusted
 * @throws DepotError `CHECK_FAILED`: a line is not a checksum
 */
export function parseChecksums(text: string): Checksum[] {
  const checksums: Checksum[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const [, escaped, hex = '', name = ''] = LINE.exec(line) ?? [];
    if (escaped === undefined) {
      throw new DepotError('CHECK_FAILED', `line ${index + 1} is not a SHA-256 checksum`, {
        line: index + 1,
      });
    }
    checksums.push({ name: escaped === '' ? name : unescapeName(name), sha256: hex.toLowerCase() });
  }
  return checksums;
}

function unescapeName(name: string): string {
  return name.replace(/\\[\\nr]/g, (pair) => UNESCAPES[pair] ?? pair);
}
