/** `bootdepot bundle load`: takes a bundle in. */
import { Command } from 'commander';
import { loadBundle, makeFolder, openRegistry, sweepTemporaries } from '../../../server/index.js';
import { type BundleFlags, bundleChunks, bundleFolders, bundleKeyring } from '../../bundle-options.js';
import { interruption } from '../../interruptible.js';
import { createDisplay, plainDisplay } from '../../progress.js';
import { formatBytes, resultLine } from '../../result-text.js';
import { print, printJson, run, say } from '../../run.js';

interface LoadFlags extends BundleFlags {
  readonly only?: string[];
}

const HELP = `
The signature is checked first, then each file before it can be seen; tags are set last. At the first wrong byte the load stops and
names the file. What was loaded whole stays: the next load goes on from there. A server may run meanwhile.

Whose bundles are taken: those of this depot's own key, of keys that 'key trust' was told of, or of --trust KEYRING instead.

Examples:
  bootdepot bundle load site.tar
  bootdepot bundle load /media/usb/site.tar.001
  bootdepot bundle load site.tar --only 'coreos/*' 'flatcar/**'
  curl -T site.tar http://127.0.0.1:8080/bundles/`;

/** The command. */
export function bundleLoadCommand(): Command {
  return new Command('load')
    .description('take in a bundle')
    .argument('<bundle...>', 'the file, its first part or all its parts; - for stdin')
    .option('--trust <keyring>', 'certificates whose bundles are taken, instead of those that are trusted')
    .option('--only <glob...>', 'these images and files')
    .option('--assets <dir>', 'the assets folder')
    .option('--data <dir>', 'the folder of data; the registry is in it')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((paths: string[], flags: LoadFlags) => run(() => load(paths, flags)));
}

async function load(paths: readonly string[], flags: LoadFlags): Promise<void> {
  const { config, registryDir, lookasideDir } = await bundleFolders(flags);
  const keyring = await bundleKeyring(flags, config);
  const chunks = bundleChunks(paths);
  await makeFolder(config.data.dir);
  for (const dir of [config.assets.dir, lookasideDir]) await sweepTemporaries(dir);
  const registry = await openRegistry({
    dir: registryDir,
    immutableTags: config.registry.immutableTags,
    freeSpace: config.limits.freeSpace,
    onDamage: (digest) => say(`${digest} did not match its digest and was put aside`),
  });
  const display = flags.json ? plainDisplay : await createDisplay();
  const loaded = await loadBundle({
    registry,
    assets: { ...config.assets, keysDir: config.keys.dir },
    ...{ keysDir: config.keys.dir, lookasideDir, chunks, keyring, only: flags.only },
    now: new Date(),
    signal: interruption(),
    onTotal: (bytes) => display.start({ files: 1, bytes }),
    onBytes: (bytes) => display.advance(bytes),
  }).finally(() => display.end());
  const { manifests, ...counts } = loaded;
  const images = manifests.flatMap(({ repository, tags, stored }) =>
    tags.map((tag) => ({ name: `${repository}:${tag}`, digest: stored.digest })),
  );
  if (flags.json) return printJson({ ...counts, images });
  for (const { name, digest } of images) print(resultLine('image', name, digest));
  const { added, addedBytes, present } = counts;
  print(
    `loaded      ${added} files, ${formatBytes(addedBytes)}; ${present} were here; signed by ${counts.signer}`,
  );
}
