/** A POSIX shell script that puts files into place, after it has compared what it would trust with what it was told. */
import { createHash } from 'node:crypto';
import type { ClientFile, ClientTexts } from './client-file.js';
import { callsOf } from './cloud-config.js';
import { BEGIN, END, FUNCTIONS } from './script-parts.js';
import { commentLines } from './written.js';

/** The script; it says by itself how it is used. */
export function script(texts: ClientTexts): string {
  const { files, notes } = texts;
  return [
    '#!/bin/sh\n',
    commentLines(headOf(files, notes)),
    BEGIN,
    FUNCTIONS,
    ...files.map((file, index) => stage(file, index + 1)),
    ...files.map((file, index) => (file.trusted === undefined ? '' : `check ${index + 1}\n`)),
    ...files.map(({ path, mode }, index) => `place ${index + 1} ${quote(path)} ${mode.toString(8)}\n`),
    ...callsOf(texts).map((call) => `finish ${call.map(quote).join(' ')}\n`),
    END,
  ].join('');
}

function headOf(files: readonly ClientFile[], notes: readonly string[]): readonly string[] {
  const trusting = files.some(({ trusted }) => trusted !== undefined);
  return [
    'Configures a machine for its depot; run again, it changes nothing. --help says how.',
    ...(trusting ? ['It makes the machine trust keys: give their fingerprints with --fingerprint.'] : []),
    ...notes,
  ];
}

/** A text stays readable; what is not a text of whole lines goes in base64. */
function stage({ content }: ClientFile, number: number): string {
  const isText = typeof content === 'string' && content.endsWith('\n') && !content.includes('\0');
  const body = isText ? content : `${wrapped(Buffer.from(content).toString('base64'))}\n`;
  const mark = markFor(body);
  return `${isText ? 'cat' : 'base64 -d'} >"$stage/${number}" <<'${mark}'\n${body}${mark}\n`;
}

function wrapped(base64: string): string {
  return (base64.match(/.{1,76}/g) ?? []).join('\n');
}

/** A line that ends a text and is not in it. */
function markFor(body: string): string {
  const lines = new Set(body.split('\n'));
  for (let round = 0; ; round += 1) {
    const mark = `END_${createHash('sha256').update(`${round}\n${body}`).digest('hex').slice(0, 12)}`;
    if (!lines.has(mark)) return mark;
  }
}

/** A word as the shell takes it literally. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
