/** What the commands about users read from their flags. */
import { type FlagSetting, loadConfig } from '../server/index.js';

/** Flags that all of them have. */
export interface UsersFlags {
  readonly users?: string;
  readonly config?: string;
}

/**
 * Finds the file of users by flags, environment and configuration file.
 *
 * @throws DepotError `CONFIG_INVALID`, `NOT_FOUND`
 */
export async function usersFile(flags: UsersFlags): Promise<string> {
  const settings: FlagSetting[] = [{ name: 'registry.users', flag: '--users', value: flags.users }];
  return (await loadConfig({ file: flags.config, flags: settings })).config.registry.users;
}
