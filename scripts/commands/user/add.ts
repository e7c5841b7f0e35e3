/** `bootdepot user add`: a user of the registry, or another password for one. */
import { Command } from 'commander';
import { setUser } from '../../../server/index.js';
import { newPassword } from '../../passphrase.js';
import { print, run } from '../../run.js';
import { type UsersFlags, usersFile } from '../../users-options.js';

/** The flags of `user add` as commander hands them over. */
interface AddFlags extends UsersFlags {
  readonly passwordFile?: string;
}

const EXAMPLES = `
Examples:
  bootdepot user add anna
  bootdepot user add builder --password-file /run/secrets/builder`;

/** The command. */
export function userAddCommand(): Command {
  return new Command('add')
    .description('add a user, or give one another password')
    .argument('<name>', 'how the user logs in')
    .option('--password-file <file>', 'its first line is the password; asked for without')
    .option('--users <file>', 'the file of users')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .addHelpText('after', EXAMPLES)
    .action((name: string, flags: AddFlags) => run(() => add(name, flags)));
}

async function add(name: string, flags: AddFlags): Promise<void> {
  const path = await usersFile(flags);
  const known = await setUser(path, name, await newPassword(flags.passwordFile));
  print(`${path}: ${known ? 'new password for' : 'added'} ${name}`);
}
