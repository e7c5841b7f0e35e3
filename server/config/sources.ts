/** The places a setting may come from, beside a file: the defaults, the environment, the flags of a command. */

import { DepotError } from '../errors.js';
import { CONFIG_KEYS, type ConfigKey, nearestVariable } from './keys.js';

/** One value for one key, and where it came from (`bootdepot.yaml:3`, `BOOTDEPOT_LISTEN`, `--listen`). */
export interface Setting {
  readonly name: string;
  readonly value: unknown;
  readonly origin: string;
}

/** A flag of a command that sets a key; an `undefined` value is a flag that was not given. */
export interface FlagSetting {
  readonly name: string;
  readonly flag: string;
  readonly value: unknown;
}

/** Where the parts of a configuration come from. */
export interface ConfigSources {
  /** The YAML file (`--config`); without it `BOOTDEPOT_CONFIG`, else `bootdepot.yaml` if it exists. */
  readonly file?: string | undefined;
  readonly flags?: readonly FlagSetting[];
  readonly env?: Readonly<NodeJS.ProcessEnv>;
}

/** Variables of ours that are no configuration keys. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(['BOOTDEPOT_CONFIG', 'BOOTDEPOT_PASSPHRASE']);

/** What Kubernetes sets in every container beside a service that is called `bootdepot`. */
const SERVICE_LINK = /^BOOTDEPOT_(?:SERVICE_|PORT$|PORT_\d)/;

/** The defaults as settings. */
export function fromDefaults(): Setting[] {
  return [...CONFIG_KEYS.values()]
    .filter((key) => key.byDefault !== undefined)
    .map((key) => ({ name: key.name, value: key.byDefault, origin: 'default' }));
}

/** The flags that were given. */
export function fromFlags(flags: readonly FlagSetting[]): Setting[] {
  return flags
    .filter((flag) => flag.value !== undefined)
    .map(({ name, flag, value }) => ({ name, value, origin: flag }));
}

/**
 * The settings of the environment: every variable that begins with `BOOTDEPOT_`. An empty one counts as absent.
 * Lists are separated by commas, or written as YAML between brackets; maps are written as YAML between braces.
 *
 * @throws DepotError `CONFIG_INVALID`: an unknown variable, or a list or map that is no YAML
 */
export async function fromEnvironment(env: Readonly<NodeJS.ProcessEnv>): Promise<Setting[]> {
  const known = new Map([...CONFIG_KEYS.values()].map((key) => [key.variable, key]));
  const settings: Setting[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('BOOTDEPOT_') || text === undefined || text === '') continue;
    if (OTHER_VARIABLES.has(variable) || SERVICE_LINK.test(variable)) continue;
    const key = known.get(variable);
    if (key === undefined) {
      throw new DepotError(
        'CONFIG_INVALID',
        `unknown environment variable ${variable}: the nearest known one is ${nearestVariable(variable)}`,
        { variable },
      );
    }
    settings.push({ name: key.name, value: await readValue(key, text), origin: variable });
  }
  return settings;
}

async function readValue(key: ConfigKey, text: string): Promise<unknown> {
  if (key.kind === 'flag') return text === 'true' || (text === 'false' ? false : text);
  if (key.kind === 'number') return /^\d+$/.test(text) ? Number(text) : text;
  if (key.kind === 'text') return text;
  if (key.kind === 'list' && !/^\[.*\]$/s.test(text)) return text.split(',').map((item) => item.trim());
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    throw new DepotError(
      'CONFIG_INVALID',
      `${key.variable}: expected a ${key.kind} as YAML writes it, got ${text}`,
    );
  }
  return document.toJS();
}
