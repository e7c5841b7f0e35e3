/** `bootdepot key export`: certificates in the form that a client wants. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import {
  type Certificate,
  DepotError,
  inspectKeys,
  writeFileAtomically,
  writeRktTree,
} from '../../../server/index.js';
import { type KeyFolderFlags, keyFolder } from '../../key-options.js';
import { print, run, say } from '../../run.js';

type Format = 'asc' | 'gpg' | 'rkt-tree';

interface ExportFlags extends KeyFolderFlags {
  readonly format: Format;
  readonly prefix?: string;
  readonly to?: string;
}

const EXAMPLES = `
Examples:
  bootdepot key export > pubkey.asc
  bootdepot key export --format gpg --to pubkey.gpg
  bootdepot key export --format rkt-tree --prefix quay.io/coreos --to /etc/rkt/trustedkeys

asc is the current certificate. gpg is a keyring for gpgv, and rkt-tree a folder for rkt: both hold the earlier
certificates that are still published, too.`;

/** The command. */
export function keyExportCommand(): Command {
  return new Command('export')
    .description('write certificates for gpg, gpgv or rkt')
    .addOption(
      new Option('--format <format>', 'what to write').choices(['asc', 'gpg', 'rkt-tree']).default('asc'),
    )
    .option('--prefix <prefix>', 'with rkt-tree: the image names to trust it for; all without')
    .option('--to <path>', 'file or folder to write to; stdout without')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .addHelpText('after', EXAMPLES)
    .action((flags: ExportFlags) => run(() => exportKeys(flags)));
}

async function exportKeys(flags: ExportFlags): Promise<void> {
  if (flags.prefix !== undefined && flags.format !== 'rkt-tree') {
    throw new DepotError('USAGE', '--prefix goes with --format rkt-tree');
  }
  const { dir } = await keyFolder(flags);
  const { current, others, warnings } = await inspectKeys(dir);
  for (const warning of warnings) say(`warning: ${warning}`);
  if (flags.format === 'rkt-tree') return exportTree([current, ...others], flags);
  if (flags.format === 'asc') return exportFile('pubkey.asc', current.armored, flags);
  const keyring = Buffer.concat([current, ...others].map((certificate) => certificate.binary));
  return exportFile('pubkey.gpg', keyring, flags);
}

/** A revoked certificate is no use to rkt, which only knows trusted and unknown. */
async function exportTree(certificates: readonly Certificate[], { to, prefix }: ExportFlags): Promise<void> {
  if (to === undefined)
    throw new DepotError('USAGE', '--format rkt-tree needs --to, such as /etc/rkt/trustedkeys');
  for (const certificate of certificates) {
    if (!certificate.revoked) print(await writeRktTree(to, certificate, prefix));
  }
}

async function exportFile(name: string, content: string | Uint8Array, { to }: ExportFlags): Promise<void> {
  if (to === undefined) return writeToStdout(content);
  const isFolder = (await stat(to).catch(() => undefined))?.isDirectory() === true;
  const path = isFolder ? join(to, name) : to;
  await writeFileAtomically(path, content);
  print(path);
}

function writeToStdout(content: string | Uint8Array): void {
  if (typeof content !== 'string' && process.stdout.isTTY) {
    throw new DepotError(
      'USAGE',
      'a binary keyring is not for a terminal: give --to, or redirect the output',
    );
  }
  process.stdout.write(content);
}
