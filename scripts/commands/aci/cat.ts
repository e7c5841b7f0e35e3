/** `bootdepot aci cat`: prints one file of an image. */
import { Command } from 'commander';
import { catAci } from '../../../server/index.js';
import { printBytes, run } from '../../run.js';

const EXAMPLES = `
A PATH that begins with / is one of the rootfs; any other is as aci ls shows it. A hard link is what it links to; a
symlink is not followed, but said. Nothing is printed of an archive that is damaged anywhere.

Examples:
  bootdepot aci cat hyperkube.aci manifest | jq .
  bootdepot aci cat hyperkube.aci /etc/os-release`;

/** The command. */
export function catCommand(): Command {
  return new Command('cat')
    .description('print the bytes of one file of an image')
    .argument('<file>', 'the ACI')
    .argument('<path>', 'the file in it')
    .addHelpText('after', EXAMPLES)
    .action((file: string, path: string) => run(() => catAci(file, path, printBytes)));
}
