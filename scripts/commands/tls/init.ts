/** `bootdepot tls init`: makes the depot's CA. */
import { Command } from 'commander';
import { authorityPath, createAuthority } from '../../../server/index.js';
import { print, run, say } from '../../run.js';
import { type TlsFlags, tlsFiles } from '../../tls-options.js';

/** The flags of `tls init` as commander hands them over. */
interface InitFlags extends TlsFlags {
  readonly name: string;
  readonly force?: true;
}

const EXAMPLE = `
Example:
  bootdepot tls init --name "Rack 7 CA"`;

/** The command. */
export function tlsInitCommand(): Command {
  return new Command('init')
    .description('make a CA: RSA-3072, for ten years')
    .option('--name <name>', 'what it is called', 'bootdepot CA')
    .option('--force', 'replace the CA that is there')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .addHelpText('after', EXAMPLE)
    .action((flags: InitFlags) => run(() => init(flags)));
}

async function init(flags: InitFlags): Promise<void> {
  const { keysDir } = await tlsFiles(flags);
  await createAuthority(keysDir, flags.name, { force: flags.force === true, now: new Date() });
  print(authorityPath(keysDir));
  say('Clients trust this file; it is also served at /keys/ca.crt. Next: bootdepot tls issue HOST...');
}
