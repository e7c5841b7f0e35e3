/** `bootdepot user list`: who can log in. */
import { Command } from 'commander';
import { listUsers } from '../../../server/index.js';
import { print, printJson, run, say } from '../../run.js';
import { type UsersFlags, usersFile } from '../../users-options.js';

/** The flags of `user list` as commander hands them over. */
interface ListFlags extends UsersFlags {
  readonly json?: true;
}

const EXAMPLE = `
Example:
  bootdepot user list`;

/** The command. */
export function userListCommand(): Command {
  return new Command('list')
    .description('list the users, one a line')
    .option('--users <file>', 'the file of users')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLE)
    .action((flags: ListFlags) => run(() => list(flags)));
}

async function list(flags: ListFlags): Promise<void> {
  const path = await usersFile(flags);
  const { users, refused } = await listUsers(path);
  for (const fault of refused) say(`warning: ${path}: ${fault}: it does not count`);
  if (flags.json) printJson({ users });
  else for (const user of users) print(user);
}
