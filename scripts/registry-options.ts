/** What the commands about the registry's folder read from their flags. */
import { join } from 'node:path';
import {
  type Config,
  checkFolder,
  DepotError,
  type FlagSetting,
  loadConfig,
  openRegistry,
  type Registry,
} from '../server/index.js';
import { say } from './run.js';

/** Flags that all of them have. */
export interface RegistryFlags {
  readonly data?: string;
  readonly config?: string;
}

/** A registry folder, and what is configured about it. */
export interface ConfiguredRegistry {
  readonly registry: Registry;
  readonly config: Config['registry'];
}

/**
 * Opens the registry's folder by flags, environment and configuration file.
 *
 * @param more - settings of flags that only one command has
 * @throws DepotError `CONFIG_INVALID`; `NOT_FOUND`: there is no registry, or it cannot be written to
 */
export async function openConfiguredRegistry(
  flags: RegistryFlags,
  more: readonly FlagSetting[],
): Promise<ConfiguredRegistry> {
  const settings: FlagSetting[] = [{ name: 'data.dir', flag: '--data', value: flags.data }, ...more];
  const { config } = await loadConfig({ file: flags.config, flags: settings });
  const dir = join(config.data.dir, 'registry');
  const state = await checkFolder(dir, { writable: true, freeBytes: 0 });
  if (state !== 'ok') {
    throw new DepotError('NOT_FOUND', `${dir} is ${state}: name the folder above the registry with --data`);
  }
  const registry = await openRegistry({
    dir,
    freeSpace: 0,
    onDamage: (digest) => say(`${digest} did not match its digest and was put aside`),
  });
  return { registry, config: config.registry };
}
