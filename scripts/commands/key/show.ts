/** `bootdepot key show`: what the folder of keys holds. */
import { Command } from 'commander';
import { inspectKeys, type KeyReport } from '../../../server/index.js';
import { type KeyFolderFlags, keyFolder } from '../../key-options.js';
import { certificateFacts, describeCertificate, groups } from '../../key-text.js';
import { print, printJson, run, say } from '../../run.js';

interface ShowFlags extends KeyFolderFlags {
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  bootdepot key show
  bootdepot key show --json --keys /etc/bootdepot/keys`;

const SECRETS: Readonly<Record<KeyReport['secret'], string>> = {
  missing: 'not here; this machine serves what another one signed',
  open: 'here, not locked',
  locked: 'here, locked with a passphrase',
};

/** The command. */
export function keyShowCommand(): Command {
  return new Command('show')
    .description('show the signing key: fingerprint, user ids, dates, algorithm')
    .option('--json', 'for scripts')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .addHelpText('after', EXAMPLES)
    .action((flags: ShowFlags) => run(() => show(flags)));
}

async function show(flags: ShowFlags): Promise<void> {
  const { dir } = await keyFolder(flags);
  const { current, secret, others, warnings } = await inspectKeys(dir);
  for (const warning of warnings) say(`warning: ${warning}`);
  if (flags.json) {
    const also = others.map(certificateFacts);
    return printJson({ ...certificateFacts(current), secret, others: also, warnings });
  }
  print(describeCertificate(current));
  print(`secret       ${SECRETS[secret]}`);
  for (const other of others) print(`also trusted ${groups(other.fingerprint)}`);
}
