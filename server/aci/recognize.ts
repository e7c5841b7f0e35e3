/**
 * Telling an image from anything else with as little work as can be: what is asked of every file before it is signed.
 * Whether its manifest keeps all rules is a matter of `aci validate`; the schema for that takes longer to load than
 * most images take to sign.
 */
import { types } from 'node:util';
import { DepotError } from '../errors.js';
import { printableText } from '../stream/printable-bytes.js';
import { AC_IDENTIFIER_RULE, isAcIdentifier } from './ac-name.js';
import { readAci } from './archive.js';
import { asInvalidAci, NO_MANIFEST } from './invalid-aci.js';
import { type FoundManifest, ManifestBytes } from './manifest-bytes.js';

const QUOTE_LIMIT = 100;

/** What a member of the manifest must be. */
interface Rule {
  readonly path: readonly string[];
  readonly holds: (value: unknown) => boolean;
  readonly expected: string;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const RULES: readonly Rule[] = [
  { path: ['acKind'], holds: (value) => value === 'ImageManifest', expected: '"ImageManifest"' },
  { path: ['name'], holds: (value) => isText(value) && isAcIdentifier(value), expected: AC_IDENTIFIER_RULE },
];

/** An image may do without an app, but not an app without these. */
const APP_RULES: readonly Rule[] = ['user', 'group'].map((name) => ({
  path: ['app', name],
  holds: isText,
  expected: `the ${name} to run as`,
}));

/**
 * Opens a file up to the end of its manifest, which stands first in most, and looks at its kind, its name, and what rkt stumbles over.
 *
 * @param path - the file, untrusted
 * @throws DepotError `ACI_INVALID`: what is wrong and what was expected; `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`:
 *   the file cannot be read
 */
export async function recognizeAci(path: string): Promise<void> {
  const file = new ManifestBytes();
  let found: FoundManifest | undefined;
  const event = (passing: Parameters<ManifestBytes['take']>[0]): 'enough' | undefined => {
    found = file.take(passing);
    return found === undefined ? undefined : 'enough';
  };
  await readAci(path, { event }).catch((error: unknown) => {
    throw asInvalidAci(error, path);
  });
  const problem = found === undefined ? NO_MANIFEST : problemOf(found);
  if (problem !== undefined) throw new DepotError('ACI_INVALID', `${path}: ${problem}`, { path });
}

function problemOf(found: FoundManifest): string | undefined {
  if ('problem' in found) return `manifest: ${found.problem}`;
  let json: unknown;
  try {
    json = JSON.parse(found.content.toString('utf8'));
  } catch (error) {
    const reason = types.isNativeError(error) ? error.message : String(error);
    return `manifest: it is not JSON: ${printableText(reason)}`;
  }
  const rules = memberOf(json, 'app') == null ? RULES : [...RULES, ...APP_RULES];
  const rule = rules.find(({ path, holds }) => !holds(valueAt(json, path)));
  if (rule === undefined) return undefined;
  return `manifest: ${rule.path.join('.')}: is ${quote(valueAt(json, rule.path))}, expected ${rule.expected}`;
}

function valueAt(json: unknown, path: readonly string[]): unknown {
  return path.reduce(memberOf, json);
}

function memberOf(json: unknown, name: string): unknown {
  return typeof json === 'object' && json !== null ? Reflect.get(json, name) : undefined;
}

/** A value of any length, and anything else but a text or nothing by its type alone. */
function quote(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === '') return 'empty';
  if (typeof value !== 'string') return `of type ${typeof value}`;
  return `"${printableText(value.slice(0, QUOTE_LIMIT))}"`;
}
