/** `bootdepot serve`: runs the depot until it is told to stop. */
import { Command } from 'commander';
import { startDepot } from '../../server/http/serve.js';
import {
  type Config,
  createLog,
  type FlagSetting,
  formatConfig,
  hasSecret,
  type LoadedConfig,
  loadConfig,
  makeFolder,
  refuseKeysAmongAssets,
  sweepTemporaries,
} from '../../server/index.js';
import { greeting } from '../greeting.js';
import { loadLean } from '../lean-load.js';
import { print, run, say } from '../run.js';
import { startSigning } from '../serve-signing.js';
import { stopSignal } from '../stop-signal.js';

/** The flags of `serve` as commander hands them over. */
interface ServeFlags {
  readonly listen?: string[];
  readonly assets?: string;
  readonly keys?: string;
  readonly data?: string;
  readonly config?: string;
  readonly sign?: true;
  /** `false` after `--no-sendfile`, otherwise `true`. */
  readonly sendfile: boolean;
  readonly logLevel?: string;
  readonly printConfig?: true;
}

const EXAMPLES = `
Examples:
  bootdepot serve
  bootdepot serve --listen 0.0.0.0:8080 --listen '[::]:5000' --assets /srv/assets
  bootdepot serve --listen https://0.0.0.0:8443 --config /etc/bootdepot.yaml
  bootdepot serve --print-config`;

/** The command. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('run the depot: serve assets, signatures and certificates')
    .option('--listen <address>', 'host:port, https://host:port or unix:/path; repeat for more', collect)
    .option('--assets <dir>', 'the folder to serve at /assets')
    .option('--keys <dir>', 'the folder of certificates and the signing key')
    .option('--data <dir>', 'the folder of everything else')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--sign', 'sign new and changed ACIs while serving')
    .option('--no-sendfile', 'send files through memory instead of sendfile(2)')
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent')
    .option('--print-config', 'print the configuration, with where each value came from, and end')
    .addHelpText('after', EXAMPLES)
    .action((flags: ServeFlags) => run(() => serve(flags)));
}

async function serve(flags: ServeFlags): Promise<void> {
  const loaded = await loadLean(() => loadConfig({ file: flags.config, flags: settingsOf(flags) }));
  if (flags.printConfig) return print(await formatConfig(loaded));
  const stopped = stopSignal();
  const running = await loadLean(() => start(loaded));
  say(greeting(running.depot.urls, loaded.config, await hasSecret(loaded.config.keys.dir)));
  const swept = sweep(loaded.config);
  await stopped;
  say('stopping: answers that are under way may end; ask again to stop at once');
  const [cut] = await Promise.all([running.depot.stop(), running.signer?.stop()]);
  if (cut > 0) say(`${cut} connections were cut in the middle of an answer`);
  await swept;
}

async function start({ config, settings }: LoadedConfig) {
  await makeFolders(config);
  const log = await createLog(config.log);
  const listenByDefault = settings.get('listen')?.origin === 'default';
  const signer = config.sign.auto ? await startSigning(config, log.logger) : undefined;
  try {
    return { depot: await startDepot({ config, log, listenByDefault, signing: signer }), signer };
  } catch (error) {
    await signer?.stop();
    throw error;
  }
}

/** The keys are nobody else's business. */
async function makeFolders({ assets, keys, data }: Config): Promise<void> {
  await makeFolder(assets.dir);
  await makeFolder(keys.dir, 0o700);
  await makeFolder(data.dir);
  await refuseKeysAmongAssets(assets.dir, keys.dir);
}

/** What killed processes left half-written, among it perhaps a secret. */
async function sweep({ assets, keys }: Config): Promise<void> {
  await Promise.all([sweepTemporaries(keys.dir), sweepTemporaries(assets.dir)]);
}

function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

function settingsOf(flags: ServeFlags): FlagSetting[] {
  return [
    { name: 'listen', flag: '--listen', value: flags.listen },
    { name: 'assets.dir', flag: '--assets', value: flags.assets },
    { name: 'keys.dir', flag: '--keys', value: flags.keys },
    { name: 'data.dir', flag: '--data', value: flags.data },
    { name: 'sign.auto', flag: '--sign', value: flags.sign },
    { name: 'transfers.sendfile', flag: '--no-sendfile', value: flags.sendfile ? undefined : false },
    { name: 'log.level', flag: '--log-level', value: flags.logLevel },
  ];
}
