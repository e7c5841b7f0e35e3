/** `bootdepot aci diff`: says what is different between two images. */
import { Command } from 'commander';
import { type AciDifference, DepotError, diffAcis } from '../../../server/index.js';
import { countWords } from '../../result-text.js';
import { print, printJson, run } from '../../run.js';

/** A value in a line; all of it is in the JSON. */
const VALUE_LIMIT = 100;

const EXAMPLES = `
Compared are the fields of the manifests, and of each path its type, mode, owner (by number), size, content, link target,
device numbers and extended attributes. Compression, the order of entries and times do not count.
Exit status: 0 if the images are the same, 1 if they are not or one cannot be read.

Examples:
  bootdepot aci diff hyperkube-v1.3.5.aci hyperkube-v1.3.6.aci
  bootdepot aci diff --json a.aci b.aci | jq -r '.differences[] | select(.kind == "added") | .path'`;

/** The command. */
export function diffCommand(): Command {
  return new Command('diff')
    .description('compare two images: the fields of their manifests, and their trees')
    .argument('<one>', 'an ACI')
    .argument('<other>', 'the ACI to compare it with')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((one: string, other: string, flags: { readonly json?: true }) =>
      run(() => diff(one, other, flags.json === true)),
    );
}

async function diff(one: string, other: string, json: boolean): Promise<void> {
  const differences = await diffAcis(one, other);
  const totals = countWords(differences.map(({ kind }) => kind));
  if (json) printJson({ same: differences.length === 0, differences, totals });
  else for (const line of differences.flatMap(linesFor)) print(line);
  if (differences.length === 0) return;
  const told = Object.entries(totals).map(([kind, count]) => `${count} ${kind}`);
  throw new DepotError('CHECK_FAILED', `${one} and ${other} are not the same: ${told.join(', ')}`);
}

function linesFor({ path, kind, changes }: AciDifference): string[] {
  if (kind !== 'changed') return [`${kind.padEnd(8)} ${path}`];
  return changes.map(({ what, from, to }) => `changed  ${path}: ${what} ${shown(from)} -> ${shown(to)}`);
}

function shown(value: string | undefined): string {
  if (value === undefined) return 'none';
  return value.length > VALUE_LIMIT ? `${value.slice(0, VALUE_LIMIT)}…` : value;
}
