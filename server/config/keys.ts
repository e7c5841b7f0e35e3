/** The keys of the configuration by name, read off the schema, so that each source knows what it may set. */
import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { CONFIG_DEFAULTS } from './defaults.js';
import { CONFIG_SCHEMA } from './schema.js';

/** How the text of an environment variable becomes a value. */
export type KeyKind = 'text' | 'flag' | 'number' | 'list' | 'map';

/** One key that takes a value. */
export interface ConfigKey {
  /** Full name with dots: `assets.dir`. */
  readonly name: string;
  readonly kind: KeyKind;
  /** The environment variable: words in capitals, joined by `_`: `publicUrl` is `BOOTDEPOT_PUBLIC_URL`. */
  readonly variable: string;
  /** The default in the form a file writes it; `undefined`: there is none. */
  readonly byDefault: unknown;
}

/** Every key that takes a value, by its full name, in the order of the schema. */
export const CONFIG_KEYS: ReadonlyMap<string, ConfigKey> = new Map(
  [...keysBelow(CONFIG_SCHEMA, CONFIG_DEFAULTS, '')].map((key) => [key.name, key]),
);

/** The names that hold keys instead of a value: `assets`, `keys`, … */
export const CONFIG_SECTIONS: ReadonlySet<string> = new Set(
  [...CONFIG_KEYS.keys()].flatMap((name) => [...sectionsAbove(name)]),
);

/** The known key or section that a mistyped one most likely means: a neighbour in the same section, if it has any. */
export function nearestKey(name: string): string {
  const known = [...CONFIG_KEYS.keys(), ...CONFIG_SECTIONS];
  const neighbours = known.filter((candidate) => sectionOf(candidate) === sectionOf(name));
  return closest(name, neighbours.length > 0 ? neighbours : known);
}

/** The variable that a mistyped one most likely means. */
export function nearestVariable(variable: string): string {
  return closest(
    variable,
    [...CONFIG_KEYS.values()].map((key) => key.variable),
  );
}

function* keysBelow(schema: z.ZodObject, defaults: object, section: string): Generator<ConfigKey> {
  for (const [word, value] of Object.entries(schema.shape)) {
    const name = section === '' ? word : `${section}.${word}`;
    const byDefault: unknown = Object.entries(defaults).find(([key]) => key === word)?.[1];
    if (value instanceof z.ZodObject) yield* keysBelow(value, isObject(byDefault) ? byDefault : {}, name);
    else yield { name, kind: kindOf(value), variable: variableOf(name), byDefault };
  }
}

function kindOf(schema: unknown): KeyKind {
  if (schema instanceof z.ZodOptional) return kindOf(schema.unwrap());
  if (schema instanceof z.ZodBoolean) return 'flag';
  if (schema instanceof z.ZodNumber) return 'number';
  if (schema instanceof z.ZodRecord) return 'map';
  return schema instanceof z.ZodArray ? 'list' : 'text';
}

function variableOf(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replaceAll('.', '_');
  return `BOOTDEPOT_${words.toUpperCase()}`;
}

function sectionOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('.')));
}

function* sectionsAbove(name: string): Generator<string> {
  for (let section = sectionOf(name); section !== ''; section = sectionOf(section)) yield section;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
