/** `bootdepot bundle create`: writes a bundle. */
import { Command } from 'commander';
import {
  type BundleChoice,
  type BundleSink,
  checkFolder,
  createBundle,
  DepotError,
  loadSigningKey,
  openBundleSink,
  openRegistry,
  parseSize,
  type Registry,
  readEarlierBundle,
} from '../../../server/index.js';
import { type BundleFlags, bundleFolders } from '../../bundle-options.js';
import { interruption } from '../../interruptible.js';
import { existingPassphrase } from '../../passphrase.js';
import { createDisplay, plainDisplay } from '../../progress.js';
import { formatBytes } from '../../result-text.js';
import { print, printBytes, printJson, run, say } from '../../run.js';

interface CreateFlags extends BundleFlags {
  readonly all?: true;
  readonly images?: string[];
  readonly files?: string[];
  readonly since?: string;
  readonly split?: string;
  readonly hash?: string;
  readonly passphraseFile?: string;
}

const HELP = `
OUT is a file, a device such as /dev/sdb, or - for stdout. Globs: coreos/* means repositories with all they have, coreos/etcd:v3*
tags of some; an image comes with its signatures and other referrers, a file with its .asc and .sig. Certificates always come.

The same content gives the same bundle, byte for byte, but for the time of its signature; SOURCE_DATE_EPOCH sets that.
--since takes a bundle, or the bundle.json of one, and leaves out what is in it: such a difference is loaded after it.

Examples:
  bootdepot bundle create site.tar --all
  bootdepot bundle create etcd.tar --images 'coreos/etcd:v3*' --files 'flatcar/**'
  bootdepot bundle create week2.tar --all --since week1.tar
  bootdepot bundle create /media/usb/site.tar --all --split 3GiB
  bootdepot bundle create - --all | ssh site bootdepot bundle load -`;

/** The command. */
export function bundleCreateCommand(): Command {
  return new Command('create')
    .description('write a bundle')
    .argument('<out>', 'the file to write; - for stdout')
    .option('--all', 'every image, every asset')
    .option('--images <glob...>', 'these images')
    .option('--files <glob...>', 'these files of the assets folder')
    .option('--since <bundle>', 'leave out what this bundle has')
    .option('--split <size>', 'write parts of this size: OUT.001, OUT.002, …')
    .option('--hash <name>', 'of the signature: sha256 or sha512 (default)')
    .option('--assets <dir>', 'the assets folder')
    .option('--data <dir>', 'the folder of data; the registry is in it')
    .option('--keys <dir>', 'the folder of keys')
    .option('--passphrase-file <file>', 'its first line opens the signing key')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((out: string, flags: CreateFlags) => run(() => create(out, flags)));
}

async function create(out: string, flags: CreateFlags): Promise<void> {
  const choice = choiceOf(flags);
  const now = signedAt(process.env.SOURCE_DATE_EPOCH);
  const { config, registryDir, lookasideDir } = await bundleFolders(flags, [
    { name: 'sign.hash', flag: '--hash', value: flags.hash },
    { name: 'sign.passphraseFile', flag: '--passphrase-file', value: flags.passphraseFile },
  ]);
  const since = flags.since === undefined ? undefined : await readEarlierBundle(flags.since);
  const key = await loadSigningKey(config.keys.dir, existingPassphrase(config.sign.passphraseFile));
  for (const warning of key.warnings) say(`warning: ${warning}`);
  const sink = await sinkFor(out, partBytes(flags.split));
  const display = flags.json || out === '-' ? plainDisplay : await createDisplay();
  const created = await createBundle({
    registry: await openIfThere(registryDir),
    assets: { ...config.assets, keysDir: config.keys.dir },
    ...{ keysDir: config.keys.dir, lookasideDir, choice, since, key, now, sink },
    hashName: config.sign.hash,
    signal: interruption(),
    warn: (text) => say(`warning: ${text}`),
    onTotal: (bytes) => display.start({ files: 1, bytes }),
    onBytes: (bytes) => display.advance(bytes),
  }).finally(() => display.end());
  const { digest, bytes, files, images, inBase } = created;
  const tags = images.flatMap(({ repository, tags: all }) =>
    [...all.keys()].map((tag) => `${repository}:${tag}`),
  );
  const tell = out === '-' ? say : print;
  if (flags.json && out !== '-') printJson({ path: out, digest, bytes, files, inBase, images: tags });
  else {
    const left = inBase === 0 ? '' : `, ${inBase} left to the base`;
    tell(`created     ${out}: ${files} files, ${formatBytes(bytes)}, ${tags.length} tags${left}`);
  }
}

/** @throws DepotError `USAGE` */
function choiceOf({ all, images = [], files = [] }: CreateFlags): BundleChoice {
  const globs = images.length + files.length;
  if (all && globs > 0) throw new DepotError('USAGE', '--all and --images or --files exclude each other');
  if (!all && globs === 0) throw new DepotError('USAGE', 'expected --all, --images or --files');
  return all ? 'all' : { images, files };
}

/** @throws DepotError `USAGE` */
function partBytes(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const size = parseSize(text);
  if (size !== undefined && size > 0) return size;
  throw new DepotError('USAGE', `--split: expected a size such as 4GiB, got ${text}`);
}

/** @throws DepotError `USAGE` */
function signedAt(epoch: string | undefined): Date {
  if (epoch === undefined || epoch === '') return new Date();
  if (/^\d{1,11}$/.test(epoch)) return new Date(Number(epoch) * 1000);
  throw new DepotError('USAGE', `SOURCE_DATE_EPOCH: expected seconds since 1970, got ${epoch}`);
}

/** A depot that has only assets is a depot, too. */
async function openIfThere(dir: string): Promise<Registry | undefined> {
  if ((await checkFolder(dir, { writable: false, freeBytes: 0 })) === 'missing') return undefined;
  const onDamage = (digest: string) => say(`${digest} did not match its digest and was put aside`);
  return openRegistry({ dir, freeSpace: 0, onDamage });
}

async function sinkFor(out: string, bytes: number | undefined): Promise<BundleSink> {
  if (out !== '-') return openBundleSink(out, bytes);
  if (bytes !== undefined) throw new DepotError('USAGE', '--split needs a file to write to');
  if (process.stdout.isTTY) throw new DepotError('USAGE', '-: a bundle is not for a terminal');
  const nothing = async () => undefined;
  return { expect: nothing, write: printBytes, commit: nothing, discard: nothing };
}
