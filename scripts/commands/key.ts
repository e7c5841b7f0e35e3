/** `bootdepot key`: the signing key and its certificates. */
import { Command } from 'commander';
import { keyCreateCommand } from './key/create.js';
import { keyExportCommand } from './key/export.js';
import { keyImportCommand } from './key/import.js';
import { keyRotateCommand } from './key/rotate.js';
import { keyShowCommand } from './key/show.js';
import { keyTrustCommand } from './key/trust.js';

const HELP = `
A folder of keys holds signing-key.asc, the secret, readable by its owner alone, and <FINGERPRINT>.asc for each
certificate that is published. BOOTDEPOT_PASSPHRASE holds the passphrase of a locked key where nobody can type it.

Example:
  bootdepot key create --name "Rack 7" --email ops@example.com`;

/** The command with its subcommands. */
export function keyCommand(): Command {
  return new Command('key')
    .description('make, show, export, import and replace the signing key; trust others')
    .addCommand(keyCreateCommand())
    .addCommand(keyShowCommand())
    .addCommand(keyExportCommand())
    .addCommand(keyImportCommand())
    .addCommand(keyRotateCommand())
    .addCommand(keyTrustCommand())
    .addHelpText('after', HELP);
}
