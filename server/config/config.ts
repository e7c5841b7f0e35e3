/** The configuration of a depot: defaults, a YAML file, the environment, flags; later wins. */
import type { z } from 'zod';
import { DepotError } from '../errors.js';
import { DEFAULT_FILE } from './defaults.js';
import { fromFile } from './file.js';
import { CONFIG_KEYS } from './keys.js';
import { CONFIG_SCHEMA, type Config } from './schema.js';
import { type ConfigSources, fromDefaults, fromEnvironment, fromFlags, type Setting } from './sources.js';

/** A checked configuration, and each key with the value that won and where that came from. */
export interface LoadedConfig {
  readonly config: Config;
  /** By full name; keys that nobody set and that have no default are missing. */
  readonly settings: ReadonlyMap<string, Setting>;
}

/**
 * Gathers and checks the configuration. Folders and files stay as they were written: relative ones start at the
 * working directory, whichever source named them.
 *
 * @throws DepotError `CONFIG_INVALID`: an unknown key or a wrong value, with its name, what was expected, and
 *   where it stands; `NOT_FOUND`, `ACCESS_DENIED`: a named file cannot be read
 */
export async function loadConfig(sources: ConfigSources = {}): Promise<LoadedConfig> {
  const env = sources.env ?? process.env;
  const named = sources.file ?? env.BOOTDEPOT_CONFIG;
  const settings = new Map<string, Setting>();
  for (const setting of [
    ...fromDefaults(),
    ...(await fromFile(named ?? DEFAULT_FILE, named === undefined)),
    ...(await fromEnvironment(env)),
    ...fromFlags(sources.flags ?? []),
  ]) {
    settings.set(setting.name, setting);
  }
  const result = CONFIG_SCHEMA.safeParse(treeOf(settings));
  if (!result.success) throw explain(result.error, settings);
  checkTls(result.data, settings);
  return { config: result.data, settings };
}

/** The sections as nested objects, so that the schema can read them. */
function treeOf(settings: ReadonlyMap<string, Setting>): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  const sections = new Map<string, Record<string, unknown>>([['', tree]]);
  for (const name of CONFIG_KEYS.keys()) {
    const words = name.split('.');
    const word = words.pop() ?? name;
    const section = sectionAt(words, sections);
    const setting = settings.get(name);
    if (setting !== undefined) section[word] = setting.value;
  }
  return tree;
}

function sectionAt(
  words: readonly string[],
  sections: Map<string, Record<string, unknown>>,
): Record<string, unknown> {
  const known = sections.get(words.join('.'));
  if (known !== undefined) return known;
  const made: Record<string, unknown> = {};
  sectionAt(words.slice(0, -1), sections)[words.at(-1) ?? ''] = made;
  sections.set(words.join('.'), made);
  return made;
}

/** The first thing that is wrong, in one sentence. */
function explain(error: z.ZodError, settings: ReadonlyMap<string, Setting>): DepotError {
  const [issue] = error.issues;
  const path = issue?.path ?? [];
  const setting = settingOf(path, settings);
  const name = path.join('.');
  const origin = setting?.origin ?? 'nowhere';
  const told =
    issue?.code === 'unrecognized_keys'
      ? `unknown key ${issue.keys.join(', ')}`
      : `expected ${issue?.message}, got ${JSON.stringify(valueAt(path, setting)) ?? 'nothing'}`;
  return new DepotError('CONFIG_INVALID', `${origin}: ${name}: ${told}`, { key: name, origin });
}

/** The setting that a path of the schema lies in: `listen.0` is a part of `listen`. */
function settingOf(
  path: readonly PropertyKey[],
  settings: ReadonlyMap<string, Setting>,
): Setting | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const setting = settings.get(path.slice(0, length).join('.'));
    if (setting !== undefined) return setting;
  }
  return undefined;
}

function valueAt(path: readonly PropertyKey[], setting: Setting | undefined): unknown {
  let value = setting?.value;
  for (const part of path.slice(setting?.name.split('.').length)) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined;
  }
  return value;
}

function checkTls(config: Config, settings: ReadonlyMap<string, Setting>): void {
  const { cert, key } = config.tls;
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = cert === undefined ? ['tls.key', 'tls.cert'] : ['tls.cert', 'tls.key'];
    const origin = settings.get(given)?.origin;
    throw new DepotError('CONFIG_INVALID', `${origin}: ${given} needs ${missing} beside it`, {
      key: missing,
    });
  }
  const secure = config.listen.find((listener) => listener.tls);
  if (secure !== undefined && cert === undefined) {
    const origin = settings.get('listen')?.origin;
    throw new DepotError(
      'CONFIG_INVALID',
      `${origin}: listen: ${secure.text} needs a certificate: set tls.cert and tls.key`,
      { key: 'tls.cert' },
    );
  }
}
