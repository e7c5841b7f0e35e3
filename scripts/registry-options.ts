/** What the commands about the registry's folder read from their flags. */
import { join } from 'node:path';
import {
  type Config,
  checkFolder,
  DepotError,
  type FlagSetting,
  loadConfig,
  openRegistry,
  type Registries,
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
 * Finds the registries that names of images lead to; a depot without a registry of its own has none to look in.
 *
 * @throws DepotError `CONFIG_INVALID`
 */
export async function configuredRegistries(
  flags: RegistryFlags & { readonly insecure?: true },
): Promise<Registries> {
  const config = await loadDataConfig(flags, []);
  const dir = registryFolder(config);
  const isThere = (await checkFolder(dir, { writable: false, freeBytes: 0 })) === 'ok';
  return {
    own: isThere ? await openAt(dir) : undefined,
    config: config.registry,
    insecure: flags.insecure === true,
    env: process.env,
  };
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
  const { registry, config } = await openDepotRegistry(flags, more);
  return { registry, config: config.registry };
}

/**
 * The same, for commands that are about more of the depot than its registry.
 *
 * @throws DepotError as {@link openConfiguredRegistry}
 */
export async function openDepotRegistry(
  flags: RegistryFlags,
  more: readonly FlagSetting[],
): Promise<{ readonly registry: Registry; readonly config: Config }> {
  const config = await loadDataConfig(flags, more);
  const dir = registryFolder(config);
  const state = await checkFolder(dir, { writable: true, freeBytes: 0 });
  if (state !== 'ok') {
    throw new DepotError('NOT_FOUND', `${dir} is ${state}: name the folder above the registry with --data`);
  }
  return { registry: await openAt(dir), config };
}

async function loadDataConfig(flags: RegistryFlags, more: readonly FlagSetting[]): Promise<Config> {
  const settings: FlagSetting[] = [{ name: 'data.dir', flag: '--data', value: flags.data }, ...more];
  return (await loadConfig({ file: flags.config, flags: settings })).config;
}

function registryFolder({ data }: Config): string {
  return join(data.dir, 'registry');
}

function openAt(dir: string): Promise<Registry> {
  return openRegistry({
    dir,
    freeSpace: 0,
    onDamage: (digest) => say(`${digest} did not match its digest and was put aside`),
  });
}
