/** Texts in the formats that machines read, each by the library of its format; comments are lines before it. */
import { stringify as tomlOf } from 'smol-toml';
import { stringify as yamlOf } from 'yaml';

/** Makes a text that begins with a comment, where its format has them. */
type Writer = (comment: readonly string[]) => string;

/** TOML 1.0. */
export function toml(value: object): Writer {
  return (comment) => `${commentLines(comment)}${tomlOf(value)}`.replace(/\n*$/, '\n');
}

/** YAML; several values are documents of one stream. */
export function yaml(...values: readonly object[]): Writer {
  const texts = values.map((value) => yamlOf(value, { lineWidth: 0, aliasDuplicateObjects: false }));
  return (comment) => `${commentLines(comment)}${texts.join('---\n')}`;
}

/** JSON has no comments. */
export function json(value: object): Writer {
  return () => `${JSON.stringify(value, null, 2)}\n`;
}

/** Lines of a format that has no library: units, dnsmasq, iPXE, shell. What stands in them was checked before. */
export function lines(...text: readonly string[]): Writer {
  return (comment) => `${commentLines(comment)}${text.join('\n')}\n`;
}

/** The same, after a first line that has to stay the first: `#!/bin/sh`. */
export function linesAfter(first: string, ...text: readonly string[]): Writer {
  return (comment) => `${first}\n${commentLines(comment)}${text.join('\n')}\n`;
}

/** Comment lines with `#`; nothing in them can end one. */
export function commentLines(comment: readonly string[]): string {
  return comment.map((line) => `# ${line.replace(/[\p{Cc}\u2028\u2029]/gu, ' ')}\n`).join('');
}
