/** What the commands about keys read from their flags. */
import { type Config, DepotError, type FlagSetting, loadConfig, parseDuration } from '../server/index.js';

/** Flags that all of them have. */
export interface KeyFolderFlags {
  readonly keys?: string;
  readonly config?: string;
  readonly passphraseFile?: string;
}

/** Where the keys are, and where a passphrase is. */
export interface KeyFolder {
  readonly dir: string;
  readonly passphraseFile: string | undefined;
}

/**
 * Finds the folder of keys by flags, environment and configuration file.
 *
 * @throws DepotError `CONFIG_INVALID`, `NOT_FOUND`
 */
export async function keyFolder(flags: KeyFolderFlags): Promise<KeyFolder> {
  const settings: FlagSetting[] = [
    { name: 'keys.dir', flag: '--keys', value: flags.keys },
    { name: 'sign.passphraseFile', flag: '--passphrase-file', value: flags.passphraseFile },
  ];
  const { config }: { config: Config } = await loadConfig({ file: flags.config, flags: settings });
  return { dir: config.keys.dir, passphraseFile: config.sign.passphraseFile };
}

/**
 * Reads `--created`: a day (`2015-01-31`, midnight UTC) or a time (`2015-01-31T12:00:00Z`).
 *
 * @throws DepotError `USAGE`
 */
export function parseCreated(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const date = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?$/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (Number.isNaN(date.getTime()) || !date.toISOString().startsWith(text.replace('Z', ''))) {
    throw new DepotError('USAGE', `--created: expected a date such as 2015-01-31, got ${text}`);
  }
  return date;
}

/**
 * Reads `--expires`: how long from now the key is valid, such as `2y` or `90d`.
 *
 * @throws DepotError `USAGE`
 */
export function parseExpires(text: string | undefined, now: Date): Date | undefined {
  if (text === undefined) return undefined;
  const durationMs = parseDuration(text);
  if (durationMs === undefined || durationMs === 0) {
    throw new DepotError('USAGE', `--expires: expected a time from now such as 2y or 90d, got ${text}`);
  }
  return new Date(now.getTime() + durationMs);
}
