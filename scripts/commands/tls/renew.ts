/** `bootdepot tls renew`: the server certificate with a new expiry. */
import { Command } from 'commander';
import { renewServerCertificate } from '../../../server/index.js';
import { print, run } from '../../run.js';
import { type TlsFlags, tlsFiles } from '../../tls-options.js';

/** The flags of `tls renew` as commander hands them over. */
interface RenewFlags extends TlsFlags {
  readonly force?: true;
}

const EXAMPLE = `
Names and key stay. A server that runs does this by itself, and takes a renewed file up without a restart.

Example:
  bootdepot tls renew`;

/** The command. */
export function tlsRenewCommand(): Command {
  return new Command('renew')
    .description('renew the server certificate when less than a third of its time is left')
    .option('--force', 'whatever is left')
    .option('--cert <file>', 'the certificate to renew')
    .option('--key <file>', 'its key')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .addHelpText('after', EXAMPLE)
    .action((flags: RenewFlags) => run(() => renew(flags)));
}

async function renew(flags: RenewFlags): Promise<void> {
  const { keysDir, cert, key } = await tlsFiles(flags);
  const options = { force: flags.force === true, now: new Date() };
  const renewed = await renewServerCertificate(keysDir, { cert, key }, options);
  if (renewed === undefined) print(`${cert}: good for longer`);
  else print(`${cert}: renewed until ${renewed.expires.toISOString()}`);
}
