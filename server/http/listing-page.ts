/**
 * A folder listing as text, made while it is sent. The HTML has one line for each entry, so that it also reads well in
 * curl; the JSON is one document, with one line for each entry too.
 */
import type { ListingEntry } from '../index.js';
import { escapeHtml } from './html.js';

/** A folder to show. */
export interface ListedPage {
  /** Its path in URLs, decoded, with a slash at both ends. */
  readonly path: string;
  /** Whether its parent belongs to the listing too. */
  readonly hasParent: boolean;
  readonly batches: AsyncIterable<readonly ListingEntry[]>;
}

/** The style of the HTML form; its hash is what the page's security policy allows. */
export const LISTING_STYLE = `
:root { color-scheme: light dark; --line: #8884; --dim: #767676 }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem }
h1 { font-size: 1.15rem; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
th { color: var(--dim); font-size: .85rem; font-weight: 500; text-align: left }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem }
td:first-child { overflow-wrap: anywhere }
td + td { color: var(--dim); font-variant-numeric: tabular-nums; white-space: nowrap }
th:nth-child(2), td:nth-child(2) { text-align: right }
tr:hover td { background: #8881 }
a { text-decoration: none } a:hover { text-decoration: underline }
.signed { color: #1a7f37 } .stale, .unsigned { color: #b35900 }
@media (prefers-color-scheme: dark) { :root { --dim: #9a9a9a } .signed { color: #4ac26b } .stale, .unsigned { color: #e3994c } }
@media (max-width: 40rem) { th:nth-child(3), td:nth-child(3) { display: none } }
`;

/** The listing as a page. */
export async function* listingAsHtml({ path, hasParent, batches }: ListedPage): AsyncGenerator<string> {
  const title = shown(path);
  yield `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${LISTING_STYLE}</style>
<h1>${title}</h1>
<table>
<tr><th>Name<th>Size<th>Modified<th>Signature
${hasParent ? '<tr><td><a href="../">../</a><td><td><td>\n' : ''}`;
  for await (const batch of batches) yield batch.map(htmlRow).join('');
  yield '</table>\n</html>\n';
}

function htmlRow({ name, type, size, modified, signature }: ListingEntry): string {
  const slash = type === 'folder' ? '/' : '';
  const link = `<a href="${escapeHtml(encodeURIComponent(name))}${slash}">${shown(name)}${slash}</a>`;
  const sizeCell = size === null ? '<td>' : `<td title="${size} B">${readableSize(size)}`;
  const signatureCell = signature === null ? '<td>' : `<td class="${signature}">${signature}`;
  return `<tr><td>${link}${sizeCell}<td>${isoSeconds(modified)}${signatureCell}\n`;
}

/** A name for the eye: what would move the cursor or turn the writing direction becomes a visible sign. */
function shown(name: string): string {
  return escapeHtml(name.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd'));
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** A size to three digits or so, in powers of 1024. */
function readableSize(bytes: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

function isoSeconds(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** The listing for programs: `{path, entries: [{name, type, size, modified, signature}]}`. */
export async function* listingAsJson({ path, batches }: ListedPage): AsyncGenerator<string> {
  yield `{"path":${JSON.stringify(path)},"entries":[`;
  let separator = '\n';
  for await (const batch of batches) {
    let lines = '';
    for (const entry of batch) {
      lines += separator + JSON.stringify({ ...entry, modified: isoSeconds(entry.modified) });
      separator = ',\n';
    }
    yield lines;
  }
  yield '\n]}\n';
}
