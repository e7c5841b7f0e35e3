/** `bootdepot user remove`: somebody who logs in no more. */
import { Command } from 'commander';
import { removeUser } from '../../../server/index.js';
import { print, run } from '../../run.js';
import { type UsersFlags, usersFile } from '../../users-options.js';

const EXAMPLE = `
Example:
  bootdepot user remove anna`;

/** The command. */
export function userRemoveCommand(): Command {
  return new Command('remove')
    .description('remove a user')
    .argument('<name>', 'who it is')
    .option('--users <file>', 'the file of users')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .addHelpText('after', EXAMPLE)
    .action((name: string, flags: UsersFlags) => run(() => remove(name, flags)));
}

async function remove(name: string, flags: UsersFlags): Promise<void> {
  const path = await usersFile(flags);
  await removeUser(path, name);
  print(`${path}: removed ${name}`);
}
