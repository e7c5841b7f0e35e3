/** What the commands about TLS read from their flags. */
import { type FlagSetting, loadConfig } from '../server/index.js';

/** Flags that all of them have. */
export interface TlsFlags {
  readonly keys?: string;
  readonly config?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Where the CA is, and where the server certificate and its key are to be. */
export interface TlsFiles {
  readonly keysDir: string;
  readonly cert: string;
  readonly key: string;
  /** Whether the configuration names the certificate already. */
  readonly configured: boolean;
}

/**
 * Finds the files by flags, environment and configuration file.
 *
 * @throws DepotError `CONFIG_INVALID`, `NOT_FOUND`
 */
export async function tlsFiles(flags: TlsFlags): Promise<TlsFiles> {
  const settings: FlagSetting[] = [{ name: 'keys.dir', flag: '--keys', value: flags.keys }];
  const { config } = await loadConfig({ file: flags.config, flags: settings });
  const { cert, key } = config.tls;
  return {
    keysDir: config.keys.dir,
    cert: flags.cert ?? cert ?? 'tls/server.crt',
    key: flags.key ?? key ?? 'tls/server.key',
    configured: cert !== undefined,
  };
}
