/** `bootdepot scrub`: reads and checks everything in the registry. */
import { Command } from 'commander';
import {
  DepotError,
  type Finding,
  PullThrough,
  type ScrubReport,
  scrubRegistry,
} from '../../server/index.js';
import { interruption } from '../interruptible.js';
import { createDisplay, plainDisplay } from '../progress.js';
import { openConfiguredRegistry, type RegistryFlags } from '../registry-options.js';
import { formatBytes } from '../result-text.js';
import { print, printJson, run, say } from '../run.js';

/** The flags of `scrub` as commander hands them over. */
interface ScrubFlags extends RegistryFlags {
  readonly speed?: string;
  readonly repair?: true;
  readonly json?: true;
}

const HELP = `
Findings: damaged (bytes that do not match their digest), missing (content that a manifest needs and that is not here),
unreadable (a manifest of a kind that is not kept), unlinked, broken-link, broken-tag, broken-folder. With --repair damaged
content is put aside, and brought back by an upstream or the next push; links, tags and folders are made again where it is
clear what they were.
A scrub that was interrupted is gone on with by the next one. Exit status 1 if something is wrong and was not repaired.

Examples:
  bootdepot scrub
  bootdepot scrub --repair --speed 200MiB`;

/** The command. */
export function scrubCommand(): Command {
  return new Command('scrub')
    .description('read every byte of the registry and check it')
    .option('--repair', 'put damaged content aside, and make links and tags again')
    .option('--speed <size>', 'bytes a second to read at most, such as 50MiB; 0B for no bound')
    .option('--data <dir>', 'the folder of data; the registry is in it')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((flags: ScrubFlags) => run(() => scrub(flags)));
}

async function scrub(flags: ScrubFlags): Promise<void> {
  const { registry, config } = await openConfiguredRegistry(flags, [
    { name: 'registry.scrub.speed', flag: '--speed', value: flags.speed },
  ]);
  const pullThrough = new PullThrough({ registry, config });
  const display = flags.json ? plainDisplay : await createDisplay();
  const stored = await registry.content.total();
  display.start({ files: stored.contents, bytes: stored.bytes });
  const report = await scrubRegistry(registry, {
    ...{ repair: flags.repair === true, speed: config.scrub.speed, signal: interruption() },
    ...pullThrough.scrubbing,
    onBytes: (bytes) => display.advance(bytes),
    onFinding: (finding) => {
      if (!flags.json) display.line(findingLine(finding));
    },
  }).finally(() => display.end());
  await pullThrough.close();
  if (report.resumed) say('an interrupted scrub was gone on with: this one read the rest');
  if (flags.json) printJson(report);
  else print(totals(report));
  const wrong = report.findings.filter(({ repaired }) => !repaired).length;
  if (wrong > 0) throw new DepotError('CHECK_FAILED', `${wrong} findings are not repaired`);
}

function findingLine({ kind, repository, name, repaired }: Finding): string {
  const whose = repository === undefined ? name : `${repository} ${name}`;
  return `${kind.padEnd(14)}${whose}${repaired ? '  repaired' : ''}`;
}

function totals({ contents, bytes, repositories, findings }: ScrubReport): string {
  const read = `${contents} contents, ${formatBytes(bytes)}, ${repositories} repositories`;
  return `${read}: ${findings.length === 0 ? 'all is well' : `${findings.length} findings`}`;
}
