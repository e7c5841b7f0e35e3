/** `bootdepot key import`: takes over a signing key that gpg made. */
import { Command } from 'commander';
import { importSigningKey } from '../../../server/index.js';
import { type KeyFolderFlags, keyFolder } from '../../key-options.js';
import { certificateFacts, describeCertificate } from '../../key-text.js';
import { existingPassphrase } from '../../passphrase.js';
import { print, printJson, run, say } from '../../run.js';

interface ImportFlags extends KeyFolderFlags {
  readonly force?: true;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  gpg --export-secret-keys --armor ops@example.com > secret.asc
  bootdepot key import secret.asc

Refused: what cannot sign for rkt (not RSA, revoked, expired, without the secret of its primary key). What is merely
awkward is a warning. Subkeys and signatures by others are left out; a locked key stays locked.`;

/** The command. */
export function keyImportCommand(): Command {
  return new Command('import')
    .description('take over a secret key that was made elsewhere')
    .argument('<file>', 'the secret key, armored or binary')
    .option('--passphrase-file <file>', 'open the key with the first line of this file')
    .option('--force', 'overwrite the signing key that is there')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print the certificate as JSON')
    .addHelpText('after', EXAMPLES)
    .action((file: string, flags: ImportFlags) => run(() => importKey(file, flags)));
}

async function importKey(file: string, flags: ImportFlags): Promise<void> {
  const { dir, passphraseFile } = await keyFolder(flags);
  const { certificate, warnings } = await importSigningKey(dir, file, {
    force: flags.force === true,
    now: new Date(),
    passphrase: existingPassphrase(passphraseFile),
  });
  for (const warning of warnings) say(`warning: ${warning}`);
  if (flags.json) return printJson({ ...certificateFacts(certificate), warnings });
  print(describeCertificate(certificate));
  say(`The secret is ${dir}/signing-key.asc. Remove ${file} if you need it no more. Next: bootdepot sign`);
}
