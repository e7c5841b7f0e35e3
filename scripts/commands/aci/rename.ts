/** `bootdepot aci rename`: gives images their colon names. */
import { Command } from 'commander';
import { DepotError, type RenameOutcome, renameAcis } from '../../../server/index.js';
import { print, printJson, run, say } from '../../run.js';

interface RenameFlags {
  readonly dryRun?: true;
  readonly json?: true;
}

const EXAMPLES = `
The name is made from the manifest: the image's name without its host, its parts joined with "-", then ":" and the
version label, if there is one. A signature (.asc) goes along. No file is ever replaced.

Examples:
  bootdepot aci rename assets/coreos-hyperkube-v1.3.6_coreos.0.aci
  bootdepot aci rename --dry-run assets/*.aci`;

/** The command. */
export function renameCommand(): Command {
  return new Command('rename')
    .description('rename images in their folders to the names under which they are served')
    .argument('<file...>', 'the ACIs')
    .option('--dry-run', 'say what would be done and change nothing')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((files: string[], flags: RenameFlags) => run(() => rename(files, flags)));
}

async function rename(files: readonly string[], flags: RenameFlags): Promise<void> {
  const outcomes: RenameOutcome[] = [];
  for await (const outcome of renameAcis(files, flags.dryRun === true)) {
    outcomes.push(outcome);
    if (outcome.error !== undefined) say(`bootdepot: ${outcome.error.message}`);
    else if (!flags.json) print(describe(outcome));
  }
  if (flags.json) printJson(outcomes.map(({ error, ...rest }) => ({ ...rest, problem: error?.message })));
  const failed = outcomes.filter((outcome) => outcome.status === 'failed').length;
  if (failed === 0) return;
  const code = failed === outcomes.length ? 'CHECK_FAILED' : 'PARTIAL';
  throw new DepotError(code, `${failed} of ${outcomes.length} could not be renamed`);
}

function describe({ from, to, status, isSigned }: RenameOutcome): string {
  if (status === 'unchanged') return `${from}: has its name`;
  const verb = status === 'planned' ? 'would become' : 'is now';
  return `${from}: ${verb} ${to}${isSigned ? ', with its signature' : ''}`;
}
