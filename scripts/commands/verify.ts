/** `bootdepot verify`: what every signature is worth. */
import { Command } from 'commander';
import { DepotError, type VerifiedFile, verifyAssets } from '../../server/index.js';
import { type AssetsFlags, depotConfig, parseJobs } from '../assets-options.js';
import { collectTexts, type ImageFlags, verifyRegistryImages } from '../image-signatures.js';
import { interruption } from '../interruptible.js';
import { createDisplay, plainDisplay } from '../progress.js';
import { countWords, resultLine, totalLine } from '../result-text.js';
import { print, printJson, run, say } from '../run.js';
import { trustedCertificates } from '../trusted-certificates.js';

/** The flags of `verify` as commander hands them over. */
interface VerifyFlags extends AssetsFlags, ImageFlags {
  readonly images?: true;
  readonly boot?: true;
}

const HELP = `
States: good; stale (not of these bytes, and older than the file); bad (not of these bytes, or no signature that
counts); missing; unknown-key; expired-key; revoked-key; expired-signature; failed (the file cannot be read).
A checksum list that is there is compared with its files, and its own signature is checked.
With --images the images of the registry are checked, all or those that are named: each manifest needs a good
signature for each of its names. broken: a file or a gap at which clients stop, whatever comes behind it.
Exit status 1 if any file or image is not good.

Examples:
  bootdepot verify
  bootdepot verify assets/coreos-hyperkube:v1.3.6_coreos.0.aci
  bootdepot verify --images --host registry.example.com:5000
  bootdepot verify --boot --keyring /usr/share/keyrings/vendor.gpg assets/flatcar`;

/** The command. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('check every signature of the assets folder, or of the paths given')
    .argument('[path...]', 'files and folders (the assets folder by default), or images')
    .option('--keyring <file>', 'certificates to trust; those of the folder of keys by default')
    .option('--boot', 'boot files and checksum lists need a signature too')
    .option('--images', 'check container images of the registry')
    .option('--host <host>', 'with --images: how clients name the registry; repeat for more', collectTexts)
    .option('--data <dir>', 'with --images: the folder above the registry')
    .option('--assets <dir>', 'the assets folder')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--jobs <number>', 'files that are read at once')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((paths: string[], flags: VerifyFlags) => run(() => verify(paths, flags)));
}

async function verify(paths: readonly string[], flags: VerifyFlags): Promise<void> {
  if (flags.images) return verifyRegistryImages(paths, flags);
  const jobs = parseJobs(flags.jobs);
  const { assets, keys } = await depotConfig(flags);
  const keyring = await trustedCertificates(flags.keyring ?? keys.dir);
  const display = flags.json ? plainDisplay : await createDisplay();
  const files = await verifyAssets({
    ...{ assets, paths, jobs, keyring },
    boot: flags.boot === true,
    now: new Date(),
    signal: interruption(),
    progress: display,
    onFile({ path, state, reason }) {
      if (!flags.json) display.line(resultLine(state, path, state === 'good' ? '' : reason));
    },
  }).finally(() => display.end());
  const counts = countWords(files.map(({ state }) => state));
  if (flags.json) printJson({ files: [...files].sort(byPath), totals: counts });
  else if (files.length > 0) print(totalLine(counts));
  else say('nothing to verify');
  const wrong = files.length - (counts.good ?? 0);
  if (wrong > 0) throw new DepotError('CHECK_FAILED', `${wrong} of ${files.length} files are not good`);
}

function byPath(one: VerifiedFile, other: VerifiedFile): number {
  return one.path < other.path ? -1 : 1;
}
