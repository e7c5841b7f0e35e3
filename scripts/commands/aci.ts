/** `bootdepot aci`: looks into appc images, checks them, gives them the names under which they are served. */
import { Command } from 'commander';
import { catCommand } from './aci/cat.js';
import { diffCommand } from './aci/diff.js';
import { inspectCommand } from './aci/inspect.js';
import { lsCommand } from './aci/ls.js';
import { renameCommand } from './aci/rename.js';
import { validateCommand } from './aci/validate.js';

/** The command and its verbs. */
export function aciCommand(): Command {
  return new Command('aci')
    .description('look into appc images, compare, check and rename them')
    .addCommand(inspectCommand())
    .addCommand(lsCommand())
    .addCommand(catCommand())
    .addCommand(diffCommand())
    .addCommand(validateCommand())
    .addCommand(renameCommand());
}
