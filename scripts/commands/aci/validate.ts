/** `bootdepot aci validate`: checks images against the rules of appc. */
import { Command } from 'commander';
import { DepotError, fileError, validateAci } from '../../../server/index.js';
import { countWords, resultLine, totalLine } from '../../result-text.js';
import { print, printJson, run, say } from '../../run.js';

interface ValidateFlags {
  readonly json?: true;
}

interface Result {
  readonly path: string;
  readonly valid: boolean;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  readonly compression?: string;
  readonly name?: string;
}

const EXAMPLES = `
A warning, on stderr, is what the rules allow and rkt still minds: labels that a fetch by name asks for (version, os,
arch), a manifest that is not the first entry.
Exit status: 0 if all are valid, 1 if one is not.

Examples:
  bootdepot aci validate assets/*.aci
  bootdepot aci validate --json assets/*.aci | jq -r '.files[] | select(.valid | not) | .path'`;

/** The command. */
export function validateCommand(): Command {
  return new Command('validate')
    .description('check images against the rules of appc; every problem is a line')
    .argument('<file...>', 'the ACIs')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((files: string[], flags: ValidateFlags) => run(() => validate(files, flags)));
}

async function validate(files: readonly string[], flags: ValidateFlags): Promise<void> {
  const results: Result[] = [];
  for (const file of files) {
    const result = await check(file);
    results.push(result);
    if (flags.json) continue;
    if (result.valid) print(resultLine('valid', file, ''));
    for (const problem of result.problems) print(resultLine('invalid', file, problem));
    for (const warning of result.warnings) say(resultLine('warning', file, warning));
  }
  const totals = countWords(results.map(({ valid }) => (valid ? 'valid' : 'invalid')));
  if (flags.json) printJson({ files: results, totals });
  else print(totalLine(totals));
  const invalid = totals.invalid ?? 0;
  if (invalid > 0) throw new DepotError('CHECK_FAILED', `${invalid} of ${files.length} files are not valid`);
}

/** A file that cannot be read is not valid either. */
async function check(path: string): Promise<Result> {
  try {
    const { problems, warnings, compression, manifest } = await validateAci(path);
    return {
      path,
      valid: problems.length === 0,
      problems,
      warnings,
      ...(compression && { compression }),
      ...(manifest && { name: manifest.name }),
    };
  } catch (error) {
    return { path, valid: false, problems: [fileError(error, path).message], warnings: [] };
  }
}
