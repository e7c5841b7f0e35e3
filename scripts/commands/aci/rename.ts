/** `bootdepot aci rename`: gives images their colon names. */
import { Command } from 'commander';
import { DepotError, type RenameOutcome, renameAcis } from '../../../server/index.js';
import { countWords, resultLine, totalLine } from '../../result-text.js';
import { print, printJson, run } from '../../run.js';

interface RenameFlags {
  readonly dryRun?: true;
  readonly json?: true;
}

const EXAMPLES = `
The name is made from the manifest: the image's name without its host, its parts joined with "-", then ":" and the
version label, if there is one. A signature (.asc) goes along. No file is ever replaced. Exit status 3 if some files
failed, 1 if all did.

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
    if (!flags.json) print(lineFor(outcome));
  }
  const totals = countWords(outcomes.map(({ status }) => status));
  if (flags.json) printJson({ files: outcomes.map(forJson), totals });
  else print(totalLine(totals));
  const { failed = 0 } = totals;
  if (failed === 0) return;
  const code = failed === outcomes.length ? 'CHECK_FAILED' : 'PARTIAL';
  throw new DepotError(code, `${failed} of ${outcomes.length} files could not be renamed`);
}

const WORDS: Readonly<Partial<Record<RenameOutcome['status'], string>>> = { planned: 'would rename' };

function lineFor({ from, to, status, isSigned, error }: RenameOutcome): string {
  const word = WORDS[status] ?? status;
  if (error !== undefined) return resultLine(word, from, error.message);
  if (to === undefined || status === 'unchanged') return resultLine(word, from, '');
  return resultLine(word, from, `${to}${isSigned ? ', with its signature' : ''}`);
}

function forJson({ from, to, status, isSigned, error }: RenameOutcome) {
  return {
    from,
    to: to ?? null,
    status,
    signed: isSigned,
    ...(error && { code: error.code, reason: error.message }),
  };
}
