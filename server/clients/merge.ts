/** Joining settings with those that a machine has: its own stay, ours win, lists become one. */
import { parse as parseToml, TomlError } from 'smol-toml';
import { DepotError } from '../errors.js';

/** A table of settings. */
export type Settings = { readonly [key: string]: unknown };

/** Joins two tables; neither is changed. */
export function merge(existing: Settings, ours: Settings): Settings {
  // A map: `__proto__` is a name like any other.
  const joined = new Map<string, unknown>(Object.entries(existing));
  for (const [key, value] of Object.entries(ours)) joined.set(key, join(joined.get(key), value));
  return Object.fromEntries(joined);
}

function join(existing: unknown, ours: unknown): unknown {
  if (isSettings(existing) && isSettings(ours)) return merge(existing, ours);
  if (isTexts(existing) && isTexts(ours)) return [...new Set([...existing, ...ours])];
  return ours;
}

/** Whether a value is a table. */
export function isSettings(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/**
 * Reads the JSON of a machine's file; an empty file is an empty table.
 *
 * @throws DepotError `USAGE`
 */
export function parseJsonSettings(text: string, path: string): Settings {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (isSettings(value)) return value;
  } catch {}
  throw new DepotError('USAGE', `merge: expected the JSON object of ${path}`);
}

/**
 * Reads the TOML of a machine's file. Its comments are lost.
 *
 * @throws DepotError `USAGE`
 */
export function parseTomlSettings(text: string, path: string): Settings {
  try {
    return parseToml(text);
  } catch (error) {
    const where = error instanceof TomlError ? `, line ${error.line}` : '';
    throw new DepotError('USAGE', `merge: expected the TOML of ${path}${where}`, {}, { cause: error });
  }
}
