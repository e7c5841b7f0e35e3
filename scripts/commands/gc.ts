/** `bootdepot gc`: removes what nothing in the registry refers to. */
import { Command } from 'commander';
import { collectGarbage, type GcItem, type GcReport } from '../../server/index.js';
import { interruption } from '../interruptible.js';
import { openConfiguredRegistry, type RegistryFlags } from '../registry-options.js';
import { formatBytes } from '../result-text.js';
import { print, printJson, run, say } from '../run.js';

/** The flags of `gc` as commander hands them over. */
interface GcFlags extends RegistryFlags {
  readonly grace?: string;
  readonly untagged?: true;
  readonly uploads?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

const HELP = `
What goes: blobs that no manifest of their repository needs, content that no repository has, uploads that nobody goes on
with, and repositories in which nothing is left. Manifests without a tag stay, unless --untagged is given. Whatever was pushed, mounted, or asked for by a client
before it pushed stays for the grace. Pushes and pulls may go on meanwhile.

Examples:
  bootdepot gc --dry-run
  bootdepot gc --untagged --grace 1h`;

/** The command. */
export function gcCommand(): Command {
  return new Command('gc')
    .description('remove what nothing in the registry refers to')
    .option('--grace <duration>', 'how long everything stays after it was pushed, such as 24h')
    .option('--untagged', 'remove manifests without a tag, too')
    .option('--uploads <duration>', 'remove uploads that have got no bytes for so long, such as 7d')
    .option('--dry-run', 'remove nothing, and say what would go')
    .option('--data <dir>', 'the folder of data; the registry is in it')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((flags: GcFlags) => run(() => gc(flags)));
}

async function gc(flags: GcFlags): Promise<void> {
  const { registry, config } = await openConfiguredRegistry(flags, [
    { name: 'registry.gc.grace', flag: '--grace', value: flags.grace },
    { name: 'registry.gc.untagged', flag: '--untagged', value: flags.untagged && 'remove' },
    { name: 'registry.gc.uploads', flag: '--uploads', value: flags.uploads },
  ]);
  const items: GcItem[] = [];
  const report = await collectGarbage(registry, {
    graceMs: config.gc.grace,
    untagged: config.gc.untagged,
    uploadsMs: config.gc.uploads,
    dryRun: flags.dryRun === true,
    signal: interruption(),
    onItem(item) {
      if (flags.json) items.push(item);
      else if (flags.dryRun) print(itemLine(item));
    },
  });
  for (const name of report.spared)
    say(`${name}: some manifests cannot be read, so no blob of it went: see scrub`);
  if (flags.json) printJson({ items, ...report });
  else print(`${flags.dryRun ? 'would remove' : 'removed'} ${totals(report)}`);
}

function itemLine({ kind, repository, name, bytes }: GcItem): string {
  const whose = repository === undefined ? name : `${repository} ${name}`;
  return `${kind.padEnd(11)}${whose}${bytes > 0 ? `  ${formatBytes(bytes)}` : ''}`;
}

function totals({ removed, bytes }: GcReport): string {
  const { manifest, link, upload, repository, content } = removed;
  const counts = `${content} contents, ${manifest} manifests, ${link} links, ${upload} uploads, ${repository} repositories`;
  return `${counts}: ${formatBytes(bytes)}`;
}
