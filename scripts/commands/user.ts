/** `bootdepot user`: who may log in to the registry. */
import { Command } from 'commander';
import { userAddCommand } from './user/add.js';
import { userListCommand } from './user/list.js';
import { userRemoveCommand } from './user/remove.js';

const HELP = `
The file is that of registry.users: htpasswd with bcrypt, which docker-registry reads, too. A running server follows it.

Example:
  bootdepot user add anna`;

/** The command with its subcommands. */
export function userCommand(): Command {
  return new Command('user')
    .description('add, remove and list the users of the registry')
    .addCommand(userAddCommand())
    .addCommand(userRemoveCommand())
    .addCommand(userListCommand())
    .addHelpText('after', HELP);
}
