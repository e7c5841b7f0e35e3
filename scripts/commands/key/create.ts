/** `bootdepot key create`: makes the signing key. */
import { Command } from 'commander';
import { createSigningKey, parseUserId } from '../../../server/index.js';
import { type KeyFolderFlags, keyFolder, parseCreated, parseExpires } from '../../key-options.js';
import { certificateFacts, describeCertificate } from '../../key-text.js';
import { passphraseForNewKey } from '../../passphrase.js';
import { print, printJson, run, say } from '../../run.js';

/** The flags of `key create` as commander hands them over. */
interface CreateFlags extends KeyFolderFlags {
  readonly name: string;
  readonly email: string;
  readonly expires?: string;
  readonly created?: string;
  readonly force?: true;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  bootdepot key create --name "Rack 7" --email ops@example.com
  bootdepot key create --name "Rack 7" --email ops@example.com --expires 2y --created 2015-01-31

The creation date is a day back by default, and may lie further back: a machine whose clock is behind refuses a
key from its future.`;

/** The command. */
export function keyCreateCommand(): Command {
  return new Command('create')
    .description('make the signing key: RSA-4096, for rkt, gpg and everything between')
    .requiredOption('--name <name>', 'whose key it is, such as "Rack 7"')
    .requiredOption('--email <address>', 'where to ask about it')
    .option('--expires <time>', 'how long it is valid from now, such as 2y; for ever without')
    .option('--created <date>', 'its creation date, such as 2015-01-31')
    .option('--passphrase-file <file>', 'lock the key with the first line of this file')
    .option('--force', 'overwrite the signing key that is there')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print the certificate as JSON')
    .addHelpText('after', EXAMPLES)
    .action((flags: CreateFlags) => run(() => create(flags)));
}

async function create(flags: CreateFlags): Promise<void> {
  const now = new Date();
  const userId = parseUserId(flags.name, flags.email);
  const created = parseCreated(flags.created);
  const expires = parseExpires(flags.expires, now);
  const { dir, passphraseFile } = await keyFolder(flags);
  const passphrase = passphraseForNewKey(passphraseFile);
  const options = { force: flags.force === true, now };
  const request = { userId, created, expires, passphrase };
  const { certificate, warnings } = await createSigningKey(dir, request, options);
  for (const warning of warnings) say(`warning: ${warning}`);
  if (flags.json) return printJson(certificateFacts(certificate));
  print(describeCertificate(certificate));
  say(`The secret is ${dir}/signing-key.asc. Next: bootdepot sign`);
}
