/** `bootdepot tls`: a certificate authority of the depot's own, and its server certificate. */
import { Command } from 'commander';
import { tlsInitCommand } from './tls/init.js';
import { tlsIssueCommand } from './tls/issue.js';
import { tlsRenewCommand } from './tls/renew.js';

const HELP = `
The CA is ca.crt in the folder of keys, for clients to trust (also at /keys/ca.crt), and ca-key.pem beside it, readable by
its owner alone. A certificate that it issued is renewed by a running server before it ends.

Example:
  bootdepot tls init --name "Rack 7"
  bootdepot tls issue depot.example.com 192.0.2.10`;

/** The command with its subcommands. */
export function tlsCommand(): Command {
  return new Command('tls')
    .description('a CA of the depot and a server certificate, for HTTPS listeners')
    .addCommand(tlsInitCommand())
    .addCommand(tlsIssueCommand())
    .addCommand(tlsRenewCommand())
    .addHelpText('after', HELP);
}
