/** `bootdepot mirror`: lists of images into the depot, to another registry, or into a folder. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import {
  type Config,
  DepotError,
  listSets,
  loadConfig,
  type MirroredFile,
  type MirroredImage,
  type MirrorReport,
  mirrorFiles,
  runMirror,
  writeFileAtomically,
} from '../../server/index.js';
import { interruption } from '../interruptible.js';
import {
  type MirrorFlags,
  type MirrorWishes,
  parseMirrorFlags,
  parseSince,
  readLists,
} from '../mirror-options.js';
import { createMirrorDisplay, type MirrorDisplay, plainMirrorDisplay } from '../mirror-progress.js';
import { countWords, formatBytes, resultLine, totalLine } from '../result-text.js';
import { print, printJson, run, say } from '../run.js';

const HELP = `
IMAGE is [HOST/]REPOSITORY[:TAG][@DIGEST], as docker has it. In place of the tag: a glob (v1.2*), a range of versions
(">=1.30 <1.32"), an expression (~/^v1/). A list (--from) is lines of these, or what skopeo sync, hauler, zarf,
kubeadm, Kubernetes and rendered charts have; a set (--set) comes with the program, see --sets, or is a YAML file.

Without --to the images go into the depot's registry folder; no server needs to run. --rename keep (default) calls
quay.io/coreos/hyperkube by that name, basename hyperkube, and 'quay.io/**=mirror/$1' is a pattern.

Only what is missing is fetched, and a run that was cut short is gone on with. Exit status 3 if some images failed.

Examples:
  bootdepot mirror quay.io/coreos/flannel:v0.26.1 'registry.k8s.io/pause:>=3.9'
  bootdepot mirror --set k8s-1.3.6 --rename basename
  helm template my-chart | bootdepot mirror --from - --platform linux/amd64
  bootdepot mirror --from images.txt --to docker://registry.example.com/mirror --failed failed.txt
  bootdepot mirror --from images.txt --watch 6h`;

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

/** The command. */
export function mirrorCommand(): Command {
  return new Command('mirror')
    .description('copy images and lists of images into the depot, or to another registry')
    .argument('[image...]', 'images, or repositories with a rule for tags')
    .option('--from <list>', 'a list of images; - is standard input; may be repeated', collect)
    .option('--list-format <kind>', 'what the lists are, if they do not look like it')
    .option('--set <name>', 'a set of images by name, or a YAML file; may be repeated', collect)
    .option('--sets', 'print the sets that come with the program')
    .option('--files <list>', 'boot files by address, into the assets, instead of images', collect)
    .option(
      '--to <place>',
      "docker://HOST[/PREFIX], https://HOST[/PREFIX] or oci:DIR; the depot's folder by default",
    )
    .option('--platform <list>', 'os/arch of the images of a list, with commas, or all', 'all')
    .option('--rename <rule>', 'keep, basename or PATTERN=NAME; may be repeated', collect)
    .option('--newest <number>', 'of the tags that a rule chooses, those of the highest versions')
    .option('--since <time>', 'of the tags that a rule chooses, images made since: 2026-01-31, 30d')
    .option('--referrers', 'also what speaks of the images: signatures, attestations, bills of materials')
    .option('--prune', 'show the tags that the list does not name in the repositories that it does')
    .option('--yes', 'with --prune: remove them')
    .option('--dry-run', 'say what would be copied')
    .option('--insecure-registry <host>', 'may be spoken to without TLS; may be repeated', collect)
    .option('--failed <file>', 'write what failed as a list that --from reads')
    .option('--watch <time>', 'do it again and again, such as every 6h')
    .option('--data <dir>', 'the folder above the registry')
    .option('--assets <dir>', 'the assets folder, for --files')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((images: string[], flags: MirrorFlags) => run(() => mirror(images, flags)));
}

async function mirror(images: readonly string[], flags: MirrorFlags): Promise<void> {
  if (flags.sets) return printSets(flags.json === true);
  const wishes = parseMirrorFlags(flags);
  const { config } = await loadConfig({
    file: flags.config,
    flags: [
      { name: 'data.dir', flag: '--data', value: flags.data },
      { name: 'assets.dir', flag: '--assets', value: flags.assets },
    ],
  });
  const signal = interruption();
  const ofFiles = isOfFiles(images, flags);
  const once = () =>
    ofFiles ? filesOnce(flags, config, signal) : imagesOnce(images, flags, { ...wishes, config, signal });
  if (wishes.every === undefined) return once();
  while (!signal.aborted) {
    await once().catch((error: unknown) => {
      if (!(error instanceof DepotError) || error.code === 'USAGE') throw error;
      say(`bootdepot: ${error.message}`);
    });
    await sleep(wishes.every, undefined, { signal }).catch(() => undefined);
  }
}

/** @throws DepotError `USAGE`: images and files at once */
function isOfFiles(images: readonly string[], { files = [], from = [], set = [] }: MirrorFlags): boolean {
  if (files.length > 0 && images.length + from.length + set.length > 0) {
    throw new DepotError('USAGE', '--files: expected no images beside it, they are a run of their own');
  }
  return files.length > 0;
}

async function filesOnce(flags: MirrorFlags, config: Config, signal: AbortSignal): Promise<void> {
  const display = flags.json ? plainMirrorDisplay : await createMirrorDisplay();
  try {
    const results = await mirrorFiles({
      lists: await readLists(flags.files ?? []),
      folder: config.assets.dir,
      dryRun: flags.dryRun === true,
      env: process.env,
      signal,
      watch: { ...display, ended: (result) => tell(result, flags, display) },
    });
    display.end();
    if (flags.json) printJson({ files: results.map(forJson) });
    else print(totalLine(countWords(results.map(wordOf))));
    refuseFailures(results, 'file');
  } finally {
    display.end();
  }
}

type Settled = MirrorWishes & { readonly config: Config; readonly signal: AbortSignal };

async function imagesOnce(images: readonly string[], flags: MirrorFlags, settled: Settled): Promise<void> {
  const display = flags.json ? plainMirrorDisplay : await createMirrorDisplay();
  const { config } = settled;
  try {
    const report = await runMirror({
      ...settled,
      images,
      lists: await readLists(flags.from ?? []),
      since: parseSince(flags.since, Date.now()),
      registryDir: join(config.data.dir, 'registry'),
      env: process.env,
      onDamage: (digest) => say(`${digest} did not match its digest and was put aside`),
      watch: { ...display, ended: (result) => tell(result, flags, display) },
    });
    display.end();
    await tellAll(report, flags);
    refuseFailures(report.images, 'image');
  } finally {
    display.end();
  }
}

/** What came of an image or a file. */
type Outcome = MirroredImage | MirroredFile;

function tell({ source, target, done, error }: Outcome, flags: MirrorFlags, display: MirrorDisplay): void {
  if (flags.json) return;
  if (done === undefined) display.line(resultLine('failed', target ?? source, error?.message ?? ''));
  else if (done.status === 'unchanged') display.line(resultLine('unchanged', target ?? source, ''));
  else display.line(resultLine(flags.dryRun ? 'missing' : 'new', target ?? source, formatBytes(done.bytes)));
}

async function tellAll({ images, left }: MirrorReport, flags: MirrorFlags): Promise<void> {
  if (flags.failed !== undefined) await writeFileAtomically(flags.failed, failedList(images));
  const removed = flags.prune === true && flags.yes === true && !flags.dryRun;
  if (flags.json) {
    const unnamed = left.map(({ repository, tag }) => ({ repository, tag, removed }));
    return printJson({ images: images.map(forJson), unnamed });
  }
  for (const { repository, tag } of left) {
    print(resultLine(removed ? 'removed' : 'unnamed', `${repository}:${tag}`, ''));
  }
  print(totalLine(countWords(images.map(wordOf)), 'image'));
  if (left.length > 0 && !removed) say('--prune --yes removes what is unnamed');
}

function failedList(images: readonly MirroredImage[]): string {
  const failed = images.filter(({ error }) => error !== undefined);
  return failed.map(({ source, error }) => `# ${error?.message.replace(/\s+/g, ' ')}\n${source}\n`).join('');
}

function wordOf({ done }: Outcome): string {
  return done?.status ?? 'failed';
}

function forJson({ source, target, done, error }: Outcome) {
  if (done !== undefined) return { source, target, ...done };
  return { source, target: target ?? null, status: 'failed', code: error?.code, reason: error?.message };
}

function refuseFailures(results: readonly Outcome[], thing: string): void {
  const failed = results.filter(({ error }) => error !== undefined).length;
  if (failed === 0) return;
  const message = `${failed} of ${results.length} ${thing}s could not be mirrored`;
  throw new DepotError(failed < results.length ? 'PARTIAL' : 'CHECK_FAILED', message);
}

async function printSets(asJson: boolean): Promise<void> {
  const sets = await listSets();
  if (asJson) return printJson({ sets });
  for (const { name, about, images } of sets) {
    print(`${name}: ${about}`);
    for (const image of images) print(`  ${image}`);
  }
}
