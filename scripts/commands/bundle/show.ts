/** `bootdepot bundle show`: what a bundle says it holds. */
import { Command } from 'commander';
import {
  type BundledRepository,
  type Contents,
  type Digest,
  type PlacedFile,
  showBundle,
} from '../../../server/index.js';
import { type BundleFlags, bundleChunks, bundleFolders, bundleKeyring } from '../../bundle-options.js';
import { groups } from '../../key-text.js';
import { formatBytes, resultLine } from '../../result-text.js';
import { print, printJson, run } from '../../run.js';

const HELP = `
Nothing but the beginning of the bundle is read. Whether the rest is what it says, 'bundle verify' checks.

Example:
  bootdepot bundle show site.tar`;

const WORDS: ReadonlyMap<string, string> = new Map([
  ['good', 'trusted here'],
  ['unknown-key', 'not trusted here'],
]);

/** The command. */
export function bundleShowCommand(): Command {
  return new Command('show')
    .description('show who signed a bundle, its images and its files, with their sizes')
    .argument('<bundle...>', 'the file or its first part; - for stdin')
    .option('--trust <keyring>', 'certificates to trust, instead of those that are trusted')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((paths: string[], flags: BundleFlags) => run(() => show(paths, flags)));
}

async function show(paths: readonly string[], flags: BundleFlags): Promise<void> {
  const { config } = await bundleFolders(flags);
  const keyring = await bundleKeyring(flags, config);
  const { contents, digest, signature } = await showBundle({
    ...{ chunks: bundleChunks(paths), keyring, now: new Date() },
  });
  const { state, issuer, created } = signature;
  const images = contents.images.flatMap((each) => imagesOf(each, sizesOf(contents)));
  const files = contents.files.filter(({ place }) => place.kind !== 'blob' && place.kind !== 'list');
  if (flags.json) {
    const plain = files.map(({ path, size, digest: of }) => ({ path, size, digest: of }));
    const base = contents.base?.bundle ?? null;
    return printJson({
      digest,
      signature: { state, issuer, created: created.toISOString() },
      base,
      images,
      files: plain,
    });
  }
  print(`signed by   ${groups(issuer)}, ${WORDS.get(state) ?? state}`);
  print(`signed at   ${created.toISOString()}`);
  print(`bundle.json ${digest}`);
  if (contents.base !== undefined)
    print(`rests on    ${contents.base.bundle}, ${contents.base.files.length} files of it`);
  for (const { name, bytes } of images) print(resultLine('image', name, formatBytes(bytes)));
  for (const { path, size } of files) print(resultLine('file', path, formatBytes(size)));
  const total = contents.files.reduce((sum, { size }) => sum + size, 0);
  print(`${contents.files.length} files, ${formatBytes(total)}`);
}

/** Sizes of all content, also of that which the base has. */
function sizesOf({ files, base }: Contents<PlacedFile>): ReadonlyMap<Digest, number> {
  return new Map([...files, ...(base?.files ?? [])].map(({ digest, size }) => [digest, size]));
}

/** The tags with the bytes of their images: those of all platforms, shared layers in each. */
function imagesOf({ repository, tags, manifests }: BundledRepository, sizes: ReadonlyMap<Digest, number>) {
  const byDigest = new Map(manifests.map((manifest) => [manifest.digest, manifest]));
  const collect = (digest: Digest, seen: Set<Digest>): Set<Digest> => {
    const manifest = byDigest.get(digest);
    for (const part of [digest, ...(manifest?.blobs ?? [])]) seen.add(part);
    for (const child of manifest?.manifests ?? []) collect(child, seen);
    return seen;
  };
  return [...tags].map(([tag, digest]) => {
    const bytes = [...collect(digest, new Set())].reduce((sum, part) => sum + (sizes.get(part) ?? 0), 0);
    return { name: `${repository}:${tag}`, digest, bytes };
  });
}
