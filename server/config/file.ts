/** The configuration file: YAML, every key known, every value with the line it stands on. */
import { readFile } from 'node:fs/promises';
import { DepotError, fileError } from '../errors.js';
import { CONFIG_KEYS, CONFIG_SECTIONS, nearestKey } from './keys.js';
import type { Setting } from './sources.js';

/**
 * Reads the settings of a YAML file. A key without a value counts as absent.
 *
 * @param path - the file, named in every message with the line
 * @param optional - whether a file that does not exist is an empty one
 * @throws DepotError `CONFIG_INVALID`: no YAML, an unknown key, a value where keys belong; else as reading it fails
 */
export async function fromFile(path: string, optional: boolean): Promise<Setting[]> {
  const text = await readText(path, optional);
  if (text === '') return [];
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  const [mistake] = document.errors;
  if (mistake !== undefined) {
    throw new DepotError('CONFIG_INVALID', `${at(mistake.pos[0])}: not YAML: ${mistake.message}`, { path });
  }
  const offsets = new Map<string, number>();
  const note = (node: unknown, section: string) => {
    if (!yaml.isMap(node)) return;
    for (const { key, value } of node.items) {
      const name = joinName(section, String(key));
      if (yaml.isNode(key)) offsets.set(name, key.range?.[0] ?? 0);
      note(value, name);
    }
  };
  note(document.contents, '');
  const origin = (name: string) => at(offsets.get(name) ?? 0);
  return [...settingsBelow(document.toJS(), '', origin)];
}

async function readText(path: string, optional: boolean): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const failure = fileError(error, path);
    if (optional && failure.code === 'NOT_FOUND') return '';
    throw failure;
  }
}

function* settingsBelow(
  tree: unknown,
  section: string,
  origin: (name: string) => string,
): Generator<Setting, void, undefined> {
  if (tree === null || tree === undefined) return;
  if (typeof tree !== 'object' || Array.isArray(tree)) {
    const what = section === '' ? 'the configuration' : section;
    throw new DepotError(
      'CONFIG_INVALID',
      `${origin(section)}: ${what} holds keys, got ${JSON.stringify(tree)}`,
      { key: section },
    );
  }
  for (const [word, value] of Object.entries(tree)) {
    const name = joinName(section, word);
    if (CONFIG_SECTIONS.has(name)) yield* settingsBelow(value, name, origin);
    else if (!CONFIG_KEYS.has(name)) throw unknownKey(name, origin(name));
    else if (value !== null) yield { name, value, origin: origin(name) };
  }
}

function unknownKey(name: string, origin: string): DepotError {
  return new DepotError(
    'CONFIG_INVALID',
    `${origin}: unknown key ${name}: the nearest known one is ${nearestKey(name)}`,
    { key: name, origin },
  );
}

function joinName(section: string, word: string): string {
  return section === '' ? word : `${section}.${word}`;
}
