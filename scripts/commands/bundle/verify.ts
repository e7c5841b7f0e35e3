/** `bootdepot bundle verify`: is every byte of a bundle what its depot signed? */
import { Command } from 'commander';
import { verifyBundle } from '../../../server/index.js';
import { type BundleFlags, bundleChunks, bundleFolders, bundleKeyring } from '../../bundle-options.js';
import { interruption } from '../../interruptible.js';
import { createDisplay, plainDisplay } from '../../progress.js';
import { formatBytes } from '../../result-text.js';
import { print, printJson, run } from '../../run.js';

const HELP = `
Examples:
  bootdepot bundle verify site.tar
  bootdepot bundle verify site.tar.001 --trust depot.asc`;

/** The command. */
export function bundleVerifyCommand(): Command {
  return new Command('verify')
    .description('check the signature of a bundle, then every byte, in one pass')
    .argument('<bundle...>', 'the file, its first part or all its parts; - for stdin')
    .option('--trust <keyring>', 'certificates to trust, instead of those that are trusted')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((paths: string[], flags: BundleFlags) => run(() => verify(paths, flags)));
}

async function verify(paths: readonly string[], flags: BundleFlags): Promise<void> {
  const { config } = await bundleFolders(flags);
  const keyring = await bundleKeyring(flags, config);
  const display = flags.json ? plainDisplay : await createDisplay();
  const { signature, contents, digest } = await verifyBundle({
    chunks: bundleChunks(paths),
    ...{ keyring, now: new Date(), signal: interruption() },
    onTotal: (bytes) => display.start({ files: 1, bytes }),
    onBytes: (bytes) => display.advance(bytes),
  }).finally(() => display.end());
  const bytes = contents.files.reduce((sum, { size }) => sum + size, 0);
  const files = contents.files.length;
  const signer = signature.certificate?.fingerprint ?? signature.issuer;
  if (flags.json) return printJson({ state: 'good', digest, files, bytes, signer });
  print(`good        ${paths.join(' ')}: ${files} files, ${formatBytes(bytes)}, signed by ${signer}`);
}
