/** `bootdepot key rotate`: the next signing key. */
import { Command } from 'commander';
import {
  type Certificate,
  DepotError,
  parseUserId,
  type RotatedKey,
  rktPath,
  rotateSigningKey,
  splitUserId,
  type UserId,
} from '../../../server/index.js';
import { type KeyFolderFlags, keyFolder, parseCreated, parseExpires } from '../../key-options.js';
import { certificateFacts, describeCertificate, groups } from '../../key-text.js';
import { passphraseForNewKey } from '../../passphrase.js';
import { print, printJson, run, say } from '../../run.js';

interface RotateFlags extends KeyFolderFlags {
  readonly name?: string;
  readonly email?: string;
  readonly expires?: string;
  readonly created?: string;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  bootdepot key rotate
  bootdepot key rotate --expires 2y --name "Rack 7" --email ops@example.com

The old certificate stays published until you remove its file, so what it signed still verifies. The old secret is
kept as retired-<FINGERPRINT>.asc and never signs again: remove it when every client trusts the new key. The
passphrase that is asked for locks the new key.`;

/** The command. */
export function keyRotateCommand(): Command {
  return new Command('rotate')
    .description('replace the signing key by a new one; its old certificate stays published')
    .option('--name <name>', 'whose key it is; that of the old key without')
    .option('--email <address>', 'where to ask about it; that of the old key without')
    .option('--expires <time>', 'how long it is valid from now, such as 2y; for ever without')
    .option('--created <date>', 'its creation date, such as 2015-01-31')
    .option('--passphrase-file <file>', 'lock the new key with the first line of this file')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print both certificates as JSON')
    .addHelpText('after', EXAMPLES)
    .action((flags: RotateFlags) => run(() => rotate(flags)));
}

async function rotate(flags: RotateFlags): Promise<void> {
  const now = new Date();
  const created = parseCreated(flags.created);
  const expires = parseExpires(flags.expires, now);
  const { dir, passphraseFile } = await keyFolder(flags);
  const passphrase = passphraseForNewKey(passphraseFile);
  const describe = (previous: Certificate) => ({
    userId: nextUserId(flags, previous),
    created,
    expires,
    passphrase,
  });
  const rotated = await rotateSigningKey(dir, describe, now);
  for (const warning of rotated.warnings) say(`warning: ${warning}`);
  const { certificate, previous, retiredPath } = rotated;
  if (flags.json) {
    return printJson({ ...certificateFacts(certificate), previous: certificateFacts(previous), retiredPath });
  }
  print(describeCertificate(certificate));
  say(nextSteps(rotated));
}

function nextUserId(flags: RotateFlags, previous: Certificate): UserId {
  const old = splitUserId(previous.userIds[0] ?? '');
  const name = flags.name ?? old?.name;
  const email = flags.email ?? old?.email;
  if (name === undefined || email === undefined) {
    throw new DepotError(
      'USAGE',
      'the old key has no name and address to take over: give --name and --email',
    );
  }
  return parseUserId(name, email);
}

function nextSteps({ certificate, previous, retiredPath }: RotatedKey): string {
  const { fingerprint } = certificate;
  return `
What clients need:
  the new certificate    GET /keys/${fingerprint}.asc, and /keys/pubkey.asc from now on
  gpgv                   GET /keys/pubkey.gpg holds both, the old one too
  rkt                    trustedkeys/${rktPath(fingerprint)}, from bootdepot key export --format rkt-tree
What is left to do here:
  sign everything again  bootdepot sign
  the old certificate    ${groups(previous.fingerprint)} stays published until you remove its file
  the old secret         ${retiredPath}: remove it when no client needs the old key`;
}
