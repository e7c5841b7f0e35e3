/** `bootdepot aci`: looks into appc images, checks them, gives them the names under which they are served. */
import { Command } from 'commander';
import { inspectCommand } from './aci/inspect.js';
import { renameCommand } from './aci/rename.js';
import { validateCommand } from './aci/validate.js';

/** The command and its three verbs. */
export function aciCommand(): Command {
  return new Command('aci')
    .description('look into appc images, check and rename them')
    .addCommand(inspectCommand())
    .addCommand(validateCommand())
    .addCommand(renameCommand());
}
