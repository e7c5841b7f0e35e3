/**
 * `SHA256SUMS`: the digests of a folder's files in the form that `sha256sum` of GNU coreutils writes and checks.
 * A name that holds a backslash, a line feed or a carriage return is escaped, and its line begins with a backslash.
 */
import { open } from 'node:fs/promises';
import { DepotError, fileError, systemCode } from '../errors.js';

/** One line: a file and its digest. */
export interface Checksum {
  /** As the list has it; in lists that bootdepot makes, a name without a folder. */
  readonly name: string;
  /** 64 lower-case hex characters. */
  readonly sha256: string;
}

/** Half a million files; what is larger is not a list. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

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
 * @param path - of the list, for messages
 * @throws DepotError `CHECK_FAILED`: a line is not a checksum
 */
export function parseChecksums(text: string, path: string): Checksum[] {
  const checksums: Checksum[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const [, escaped, hex = '', name = ''] = LINE.exec(line) ?? [];
    if (escaped === undefined) {
      const line = index + 1;
      throw new DepotError('CHECK_FAILED', `${path}: line ${line} is not a SHA-256 checksum`, { path, line });
    }
    checksums.push({ name: escaped === '' ? name : unescapeName(name), sha256: hex.toLowerCase() });
  }
  return checksums;
}

function unescapeName(name: string): string {
  return name.replace(/\\[\\nr]/g, (pair) => UNESCAPES[pair] ?? pair);
}

/**
 * Reads the text of a list.
 *
 * @returns `undefined` if there is none
 * @throws DepotError `CHECK_FAILED`: far too large; `ACCESS_DENIED`, `IO_FAILED`
 */
export async function readChecksumList(path: string): Promise<string | undefined> {
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size <= MAX_LIST_BYTES) return await handle.readFile('utf8');
      throw new DepotError('CHECK_FAILED', `${path} is too large to be a list of checksums`, { path });
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path);
  }
}
