/** What the commands about bundles read from their flags. */
import { join } from 'node:path';
import {
  type Certificate,
  type Config,
  DepotError,
  type FlagSetting,
  loadConfig,
  readBundleFiles,
  readKeyring,
  trustedCertificates,
} from '../server/index.js';
import { say } from './run.js';

/** Flags that all of them have. */
export interface BundleFlags {
  readonly assets?: string;
  readonly data?: string;
  readonly keys?: string;
  readonly config?: string;
  readonly trust?: string;
  readonly json?: true;
}

/** The folders of a depot, as they are configured. */
export interface BundleFolders {
  readonly config: Config;
  /** Of the registry. */
  readonly registryDir: string;
  readonly lookasideDir: string;
}

/**
 * Finds the folders by flags, environment and configuration file.
 *
 * @param more - settings of flags that only one command has
 * @throws DepotError `CONFIG_INVALID`, `NOT_FOUND`
 */
export async function bundleFolders(
  flags: BundleFlags,
  more: readonly FlagSetting[] = [],
): Promise<BundleFolders> {
  const settings: FlagSetting[] = [
    { name: 'assets.dir', flag: '--assets', value: flags.assets },
    { name: 'data.dir', flag: '--data', value: flags.data },
    { name: 'keys.dir', flag: '--keys', value: flags.keys },
    ...more,
  ];
  const { config } = await loadConfig({ file: flags.config, flags: settings });
  const { dir } = config.data;
  return { config, registryDir: join(dir, 'registry'), lookasideDir: join(dir, 'lookaside') };
}

/**
 * Whose bundles are taken: the keyring that is named, else those that the folder of keys trusts.
 *
 * @throws DepotError `NOT_FOUND`, `CERTIFICATE_INVALID`
 */
export async function bundleKeyring(
  { trust }: BundleFlags,
  { keys }: Pick<Config, 'keys'>,
): Promise<readonly Certificate[]> {
  if (trust === undefined) return trustedCertificates(keys.dir);
  return readKeyring(trust, (file, reason) => say(`warning: ${file} is not used: ${reason}`));
}

/**
 * The bytes of a bundle.
 *
 * @param paths - a file, all parts of one, a device; `-` is stdin
 * @throws DepotError `USAGE`: stdin among other things, or a terminal
 */
export function bundleChunks(paths: readonly string[]): AsyncIterable<Uint8Array> {
  if (!paths.includes('-')) return readBundleFiles(paths);
  if (paths.length > 1) throw new DepotError('USAGE', '- is all of the bundle, and stands alone');
  if (process.stdin.isTTY) throw new DepotError('USAGE', '-: expected a bundle on stdin, not a terminal');
  return process.stdin;
}
