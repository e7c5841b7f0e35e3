/** How commands over many files say what came of each, and of all. */

/** The longest word that begins a line, and a space. */
const COLUMN = 11;

/**
 * One line for one file: the word, the path, and why.
 *
 * @param reason - a sentence that may begin with the path; empty if there is nothing to say
 */
export function resultLine(word: string, path: string, reason: string): string {
  const told = reason === '' ? path : reason.startsWith(path) ? reason : `${path}: ${reason}`;
  return `${word.padEnd(COLUMN)} ${printable(told)}`;
}

/**
 * The total: `3 files: 2 good, 1 stale`.
 *
 * @param thing - what is counted, if not files
 */
export function totalLine(counts: Readonly<Record<string, number>>, thing = 'file'): string {
  const parts = Object.entries(counts).map(([word, count]) => `${count} ${word}`);
  const files = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return `${files} ${files === 1 ? thing : `${thing}s`}: ${parts.join(', ')}`;
}

/** How often each word came. */
export function countWords(words: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

/** A number of bytes for people: `17 B`, `3.4 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Text for a terminal: names of files may hold anything, also what would move its cursor. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}
