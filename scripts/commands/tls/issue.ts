/** `bootdepot tls issue`: a certificate for the depot's listeners. */
import { Command } from 'commander';
import { issueServerCertificate } from '../../../server/index.js';
import { print, printJson, run, say } from '../../run.js';
import { type TlsFlags, tlsFiles } from '../../tls-options.js';

/** The flags of `tls issue` as commander hands them over. */
interface IssueFlags extends TlsFlags {
  readonly json?: true;
}

const EXAMPLE = `
Give every name and address that clients type. The files are those of tls.cert and tls.key, or tls/server.crt and
tls/server.key.

Example:
  bootdepot tls issue depot.example.com registry.example.com 192.0.2.10`;

/** The command. */
export function tlsIssueCommand(): Command {
  return new Command('issue')
    .description('issue a server certificate for host names and IP addresses')
    .argument('<host...>', 'names and addresses, without ports')
    .option('--cert <file>', 'the certificate to write')
    .option('--key <file>', 'its key to write')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print names and expiry as JSON')
    .addHelpText('after', EXAMPLE)
    .action((hosts: string[], flags: IssueFlags) => run(() => issue(hosts, flags)));
}

async function issue(hosts: readonly string[], flags: IssueFlags): Promise<void> {
  const { keysDir, cert, key, configured } = await tlsFiles(flags);
  const issued = await issueServerCertificate(keysDir, { cert, key }, hosts, new Date());
  if (flags.json) printJson({ cert, key, ...issued });
  else print(`${cert}: ${issued.hosts.join(', ')}, until ${issued.expires.toISOString()}`);
  if (!configured)
    say(`Next, in bootdepot.yaml: tls: { cert: ${cert}, key: ${key} } and an https:// listener`);
}
