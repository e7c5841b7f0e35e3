/** `bootdepot aci inspect`: prints what is in an image. */
import { Command } from 'commander';
import { type AciEntry, type AciInspection, inspectAci } from '../../../server/index.js';
import { print, printJson, run, say } from '../../run.js';

interface InspectFlags {
  readonly json?: true;
  /** `false` after `--no-entries`, otherwise `true`. */
  readonly entries: boolean;
}

const EXAMPLES = `
The image ID is SHA-512 over the uncompressed archive; rkt prints its first 32 digits, or 64 with --full.

Examples:
  bootdepot aci inspect assets/coreos-hyperkube:v1.3.6_coreos.0.aci
  bootdepot aci inspect --no-entries hyperkube.aci
  bootdepot aci inspect --json hyperkube.aci | jq -r .imageId.id`;

/** The command. */
export function inspectCommand(): Command {
  return new Command('inspect')
    .description('print the manifest, the image ID and the entries of an image')
    .argument('<file>', 'the ACI')
    .option('--no-entries', 'leave the table of entries out')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((file: string, flags: InspectFlags) => run(() => inspect(file, flags)));
}

async function inspect(file: string, flags: InspectFlags): Promise<void> {
  const found = await inspectAci(file);
  if (flags.json) printJson(flags.entries ? found : { ...found, entries: undefined });
  else print(flags.entries ? `${summary(found)}\n${table(found.entries)}` : summary(found));
  for (const problem of found.problems) say(`${file}: ${problem}`);
}

function summary(found: AciInspection): string {
  return `image ID     ${found.imageId.id}
rkt prints   ${found.imageId.short}, with --full ${found.imageId.full}
compression  ${found.compression}
size         ${found.fileBytes} bytes, ${found.tarBytes} uncompressed
entries      ${found.entries.length}

${visible(JSON.stringify(found.manifest, null, 2))}
`;
}

function table(entries: readonly AciEntry[]): string {
  const rows = entries.map(({ type, mode, size, name, target }) => {
    const path = target === undefined ? name : `${name} -> ${target}`;
    return `${type.padEnd(16)}  ${mode.toString(8).padStart(4, '0')}  ${String(size).padStart(12)}  ${path}`;
  });
  return [`${'TYPE'.padEnd(16)}  MODE  ${'SIZE'.padStart(12)}  NAME`, ...rows].join('\n');
}

/** A manifest may hold what would move the cursor or hide text; JSON has a way to write that. */
function visible(json: string): string {
  return json.replace(/[^\P{C}\n]/gu, (character) =>
    Array.from(
      character,
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
