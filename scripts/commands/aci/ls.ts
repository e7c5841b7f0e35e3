/** `bootdepot aci ls`: lists the entries of an image. */
import { Command } from 'commander';
import { type ListedAciEntry, listAci } from '../../../server/index.js';
import { longListing } from '../../long-listing.js';
import { print, printJson, run } from '../../run.js';

const EXAMPLES = `
A PATH that begins with / is one of the rootfs; any other is as the list shows it. The lines are those of tar -tv, but
bytes that are no text are written \\xNN, and a backslash is doubled; a PATH with a backslash is read the same way.

Examples:
  bootdepot aci ls hyperkube.aci
  bootdepot aci ls hyperkube.aci /etc
  bootdepot aci ls --json hyperkube.aci | jq -r '.[] | select(.mode >= 2048) | .name'`;

/** The command. */
export function lsCommand(): Command {
  return new Command('ls')
    .description('list the entries of an image as tar -tv does')
    .argument('<file>', 'the ACI')
    .argument('[path]', 'only this entry and what lies below it')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((file: string, path: string | undefined, flags: { readonly json?: true }) =>
      run(() => (flags.json ? listAsJson(file, path) : list(file, path))),
    );
}

async function list(file: string, path: string | undefined): Promise<void> {
  const line = longListing();
  await listAci(file, path, (entry) => print(line(entry)));
}

async function listAsJson(file: string, path: string | undefined): Promise<void> {
  const entries: ListedAciEntry[] = [];
  await listAci(file, path, (entry) => entries.push(entry));
  printJson(entries);
}
