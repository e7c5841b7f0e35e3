/** The fields of an image manifest side by side, each with a name of its own. */
import { printableText } from '../stream/printable-bytes.js';

/**
 * Takes JSON apart: `labels[version].value` to `"v1.0.0"`. Items of a list are called by their `name` where each has one
 * of its own, so that their order does not count; else by their place.
 *
 * @param json - untrusted, not nested without end
 * @returns values as JSON, fit for a terminal; an empty list or object is a value, too
 */
export function fieldsOf(json: unknown): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  collect(json, '', fields);
  return fields;
}

function collect(value: unknown, path: string, fields: Map<string, string>): void {
  const members = membersOf(value);
  if (members.length === 0) fields.set(path, printableText(JSON.stringify(value)));
  for (const [name, member] of members)
    collect(member, path === '' ? name.replace(/^\./, '') : path + name, fields);
}

function membersOf(value: unknown): (readonly [string, unknown])[] {
  if (Array.isArray(value)) {
    const names = namesOf(value);
    return value.map((item: unknown, index) => [`[${printableText(names?.[index] ?? String(index))}]`, item]);
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).map(([name, member]) => [`.${printableText(name)}`, member]);
}

/** The names of a list's items, if each has one that no other has. */
function namesOf(items: readonly unknown[]): string[] | undefined {
  const names = items.map((item) => {
    const name: unknown = typeof item === 'object' && item !== null ? Reflect.get(item, 'name') : undefined;
    return typeof name === 'string' ? name : undefined;
  });
  const known = names.filter((name) => name !== undefined);
  return known.length === items.length && new Set(known).size === known.length ? known : undefined;
}
