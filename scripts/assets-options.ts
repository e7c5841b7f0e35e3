/** What the commands about the assets folder read from their flags. */
import { availableParallelism } from 'node:os';
import { DepotError, type FlagSetting, type FolderConfig, loadFolderConfig } from '../server/index.js';

/** Flags that all of them have. */
export interface AssetsFlags {
  readonly assets?: string;
  readonly keys?: string;
  readonly config?: string;
  readonly jobs?: string;
}

/**
 * Finds the folders by flags, environment and configuration file.
 *
 * @param more - settings of flags that only one command has
 * @throws DepotError `CONFIG_INVALID`, `NOT_FOUND`
 */
export async function depotConfig(
  flags: AssetsFlags,
  more: readonly FlagSetting[] = [],
): Promise<FolderConfig> {
  const settings: FlagSetting[] = [
    { name: 'assets.dir', flag: '--assets', value: flags.assets },
    { name: 'keys.dir', flag: '--keys', value: flags.keys },
    ...more,
  ];
  return await loadFolderConfig({ file: flags.config, flags: settings });
}

/**
 * Reads `--jobs`: how many files are worked on at once, by default as many as there are processors.
 *
 * @throws DepotError `USAGE`: not a whole number from 1 to 64
 */
export function parseJobs(text: string | undefined): number {
  if (text === undefined) return Math.min(availableParallelism(), 4);
  const jobs = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (jobs < 1 || jobs > 64) {
    throw new DepotError('USAGE', `--jobs: expected a number from 1 to 64, got ${text}`);
  }
  return jobs;
}
