/** The depot that nobody has configured: its folders are known without loading a schema, which takes 100 ms. */
import { access } from 'node:fs/promises';
import { systemCode } from '../errors.js';
import { CONFIG_DEFAULTS, DEFAULT_FILE } from './defaults.js';
import type { Config } from './schema.js';
import type { ConfigSources, FlagSetting } from './sources.js';

const PASSPHRASE_FILE = 'sign.passphraseFile';

/** What commands that work on the folders need of a configuration. */
export interface FolderConfig {
  readonly assets: Pick<Config['assets'], 'dir' | 'symlinks'>;
  readonly keys: Config['keys'];
  readonly sign: Pick<Config['sign'], 'hash' | 'passphraseFile'>;
  /** Absent: as by default. */
  readonly convert?: Pick<Config['convert'], 'limits'>;
}

/**
 * The folders, and how signing is done. Where no file and no variable says anything and the flags are as plain as
 * they should be, this is simple; everything else, and every mistake, is for the whole configuration.
 *
 * @throws DepotError as `loadConfig`
 */
export async function loadFolderConfig(sources: ConfigSources): Promise<FolderConfig> {
  const plain = (await isUnconfigured(sources)) ? fromPlainFlags(sources.flags ?? []) : undefined;
  if (plain !== undefined) return plain;
  const { loadConfig } = await import('./config.js');
  return (await loadConfig(sources)).config;
}

async function isUnconfigured({ file, env = process.env }: ConfigSources): Promise<boolean> {
  const variables = Object.keys(env).filter((name) => /^BOOTDEPOT_(?!PASSPHRASE$)/.test(name));
  if (file !== undefined || variables.length > 0) return false;
  return access(DEFAULT_FILE).then(
    () => false,
    (error: unknown) => systemCode(error) === 'ENOENT',
  );
}

function fromPlainFlags(flags: readonly FlagSetting[]): FolderConfig | undefined {
  const { assets, keys, sign } = CONFIG_DEFAULTS;
  const plain = {
    'assets.dir': assets.dir,
    'keys.dir': keys.dir,
    'sign.hash': sign.hash,
    [PASSPHRASE_FILE]: '',
  };
  const texts = new Map<string, string>(Object.entries(plain));
  for (const { name, value } of flags) {
    if (value === undefined) continue;
    if (!texts.has(name) || typeof value !== 'string' || value === '') return undefined;
    texts.set(name, value);
  }
  const hash = texts.get('sign.hash');
  const passphraseFile = texts.get(PASSPHRASE_FILE);
  if (hash !== 'sha256' && hash !== 'sha512') return undefined;
  return {
    assets: { dir: texts.get('assets.dir') ?? assets.dir, symlinks: assets.symlinks },
    keys: { dir: texts.get('keys.dir') ?? keys.dir },
    sign: { hash, ...(passphraseFile && { passphraseFile }) },
  };
}
