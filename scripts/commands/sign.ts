/** `bootdepot sign`: signatures for ACIs, boot files and checksum lists. */
import { Command } from 'commander';
import {
  AutoSigner,
  DepotError,
  type FolderConfig,
  loadSigningKey,
  parseDuration,
  retiredFingerprints,
  type SignedFile,
  type SignRequest,
  signAssets,
} from '../../server/index.js';
import { type AssetsFlags, depotConfig, parseJobs } from '../assets-options.js';
import { collectTexts, type ImageFlags, signRegistryImages } from '../image-signatures.js';
import { interruption } from '../interruptible.js';
import { existingPassphrase } from '../passphrase.js';
import { createDisplay, plainDisplay } from '../progress.js';
import { countWords, resultLine, totalLine } from '../result-text.js';
import { print, printJson, run, say } from '../run.js';

/** The flags of `sign` as commander hands them over. */
interface SignFlags extends AssetsFlags, ImageFlags {
  readonly images?: true;
  readonly boot?: true;
  readonly watch?: true;
  readonly quiet?: string;
}

/** A file is signed when it has not changed for so long. */
const QUIET_DEFAULT = '2s';

const HELP = `
An ACI gets <file>.asc if it has no good signature by the current key. With --boot, kernels, initrds and images
get <file>.sig, and every folder SHA256SUMS with SHA256SUMS.gpg. Boot files are those called vmlinuz*, vmlinux*,
bzImage*, zImage*, uImage*, initrd*, initramfs*, *.vmlinuz, *.initrd, *.cpio, *.img, *.iso, *.raw, *.qcow2, *.vmdk,
*.vhd, *.vhdx, *.wim, *.squashfs, *.dtb, *.itb, *.efi, *.uki, *.ipxe, *.pxe, *.kpxe and *.lkrn (also compressed:
*.cpio.gz), *.bin.bz2 and its like, and what begins as a kernel, a cpio archive or an ISO image does.

Words: signed; good (it was already); re-signed (with why); kept (a .sig or .gpg of somebody else); refused (no ACI,
or a checksum list that contradicts its files); failed. Exit status 3 if some were refused or failed, 1 if all were.
With --images the images of the registry are signed, all or those that are named, for podman, skopeo and CRI-O: each
manifest gets a signature for each name that clients have for it, which are HOST/REPOSITORY:TAG for each --host (or
registry.signedHosts, or the host of publicUrl), and the name at the upstream that the repository came from.
With --watch it goes on with what is new or changed until it is stopped, and --json prints one object a line.

Examples:
  bootdepot sign
  bootdepot sign --boot --dry-run
  bootdepot sign --watch --quiet 10s
  bootdepot sign --images
  bootdepot sign --images coreos/hyperkube:v1.3.6_coreos.0 --host registry.example.com:5000
  bootdepot sign assets/coreos-hyperkube:v1.3.6_coreos.0.aci --hash sha256`;

/** The command. */
export function signCommand(): Command {
  return new Command('sign')
    .description('sign the ACIs of the assets folder, or the paths given')
    .argument('[path...]', 'files and folders (the assets folder by default), or images')
    .option('--boot', 'sign boot files too, and keep signed checksum lists')
    .option('--images', 'sign container images of the registry')
    .option('--host <host>', 'with --images: how clients name the registry; repeat for more', collectTexts)
    .option('--data <dir>', 'with --images: the folder above the registry')
    .option('--hash <name>', 'sha256 or sha512 (default)')
    .option('--force', 'sign again what is good, sign what is no ACI, replace what others signed')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--assets <dir>', 'the assets folder')
    .option('--keys <dir>', 'the folder of keys')
    .option('--passphrase-file <file>', 'its first line opens the signing key')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--jobs <number>', 'files that are worked on at once')
    .option('--json', 'print one JSON document')
    .option('--watch', 'go on, and sign what is new or changed')
    .option(
      '--quiet <time>',
      `with --watch: how long a file must not change before (default ${QUIET_DEFAULT})`,
    )
    .addHelpText('after', HELP)
    .action((paths: string[], flags: SignFlags) => run(() => sign(paths, flags)));
}

async function sign(paths: readonly string[], flags: SignFlags): Promise<void> {
  if (flags.images) return signRegistryImages(paths, refuseOthers(flags));
  const jobs = parseJobs(flags.jobs);
  const quietMs = parseQuiet(flags);
  const config = await depotConfig(flags, [
    { name: 'sign.hash', flag: '--hash', value: flags.hash },
    { name: 'sign.passphraseFile', flag: '--passphrase-file', value: flags.passphraseFile },
  ]);
  const signing = await signingOf(config, flags);
  const request = { ...signing, assets: config.assets, paths, jobs, boot: flags.boot === true };
  if (flags.watch) await signForEver(request, quietMs, flags.json === true);
  else await signOnce(request, flags.json === true);
}

async function signOnce(request: Omit<SignRequest, 'onFile'>, json: boolean): Promise<void> {
  const display = json ? plainDisplay : await createDisplay();
  const onFile = (file: SignedFile): void => {
    if (!json) display.line(lineFor(file, request.dryRun));
  };
  const files = await signAssets({ ...request, onFile, progress: display }).finally(() => display.end());
  const totals = countWords(files.map(({ action }) => action));
  const { dryRun, key } = request;
  if (json) printJson({ dryRun, key: key.fingerprint, files: files.map(forJson).sort(byPath), totals });
  else if (files.length > 0) print(dryRun ? `dry run: ${totalLine(totals)}` : totalLine(totals));
  else say('nothing to sign');
  refuseFailures(files);
}

async function signForEver(
  { signal, ...request }: Omit<SignRequest, 'onFile'>,
  quietMs: number,
  json: boolean,
): Promise<void> {
  const signer = new AutoSigner({
    ...request,
    quietMs,
    gentle: false,
    onFile: (file) => print(json ? JSON.stringify(forJson(file)) : lineFor(file, false)),
    onTrouble: (error) => say(`warning: ${error.message}`),
  });
  await signer.start();
  say('watching: Ctrl-C ends');
  await new Promise<void>((resolve) => {
    if (signal === undefined || signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
  await signer.stop();
}

/** @throws DepotError `USAGE`: a flag that is about files */
function refuseOthers(flags: SignFlags): SignFlags {
  if (!flags.boot && !flags.watch) return flags;
  throw new DepotError('USAGE', '--images excludes --boot and --watch: see registry.signOnPush');
}

/** @throws DepotError `USAGE` */
function parseQuiet({ watch, quiet, dryRun }: SignFlags): number {
  if (watch && dryRun) throw new DepotError('USAGE', '--watch and --dry-run exclude each other');
  const quietMs = parseDuration(quiet ?? QUIET_DEFAULT);
  if (quietMs === undefined || quietMs === 0) {
    throw new DepotError('USAGE', `--quiet: expected a time such as 500ms or 10s, got ${quiet}`);
  }
  return quietMs;
}

type SigningPart = Pick<SignRequest, 'key' | 'hashName' | 'retired' | 'force' | 'dryRun' | 'now' | 'signal'>;

async function signingOf(config: FolderConfig, flags: SignFlags): Promise<SigningPart> {
  const { dir } = config.keys;
  const key = await loadSigningKey(dir, existingPassphrase(config.sign.passphraseFile));
  for (const warning of key.warnings) say(`warning: ${warning}`);
  return {
    key,
    hashName: config.sign.hash,
    retired: await retiredFingerprints(dir),
    force: flags.force === true,
    dryRun: flags.dryRun === true,
    now: () => new Date(),
    signal: interruption(),
  };
}

const PLANNED: Readonly<Record<string, string>> = { signed: 'would sign', 're-signed': 'would re-sign' };

function lineFor({ path, action, reason }: SignedFile, dryRun: boolean): string {
  return resultLine((dryRun && PLANNED[action]) || action, path, reason);
}

function forJson({ path, signature, action, reason, code }: SignedFile) {
  return { path, signature: signature ?? null, action, reason, ...(code && { code }) };
}

function byPath(one: { readonly path: string }, other: { readonly path: string }): number {
  return one.path < other.path ? -1 : 1;
}

/** Failures are said file by file already; what is left is the exit status, and one line about all of them. */
function refuseFailures(files: readonly SignedFile[]): void {
  const failed = files.filter(({ action }) => action === 'refused' || action === 'failed');
  if (failed.length === 0) return;
  const all = failed.length === files.length;
  const message = `${failed.length} of ${files.length} files could not be signed`;
  throw new DepotError(all ? 'CHECK_FAILED' : 'PARTIAL', message);
}
