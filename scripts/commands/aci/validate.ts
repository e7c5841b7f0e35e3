/** `bootdepot aci validate`: checks images against the rules of appc. */
import { Command } from 'commander';
import { DepotError, fileError, validateAci } from '../../../server/index.js';
import { print, printJson, run } from '../../run.js';

interface ValidateFlags {
  readonly json?: true;
}

interface Result {
  readonly path: string;
  readonly valid: boolean;
  readonly problems: readonly string[];
  readonly compression?: string;
  readonly name?: string;
}

const EXAMPLES = `
Exit status: 0 if all are valid, 1 if one is not.

Examples:
  bootdepot aci validate assets/*.aci
  bootdepot aci validate --json assets/*.aci | jq -r '.[] | select(.valid | not) | .path'`;

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
    if (result.valid) print(`${file}: valid`);
    for (const problem of result.problems) print(`${file}: ${problem}`);
  }
  if (flags.json) printJson(results);
  const invalid = results.filter((result) => !result.valid).length;
  if (invalid > 0) throw new DepotError('CHECK_FAILED', `${invalid} of ${results.length} are not valid`);
}

/** A file that cannot be read is not valid either. */
async function check(path: string): Promise<Result> {
  try {
    const { problems, compression, manifest } = await validateAci(path);
    return {
      path,
      valid: problems.length === 0,
      problems,
      ...(compression && { compression }),
      ...(manifest && { name: manifest.name }),
    };
  } catch (error) {
    const { message } = fileError(error, path);
    const problem = message.startsWith(`${path} `) ? message.slice(path.length + 1) : message;
    return { path, valid: false, problems: [problem] };
  }
}
