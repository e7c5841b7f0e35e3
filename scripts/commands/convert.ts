/** `bootdepot convert`: container images become ACIs, named, signed, in the assets folder. */
import { join } from 'node:path';
import { Command } from 'commander';
import {
  aciFileName,
  type ConvertedImage,
  type ConvertInto,
  convertInto,
  DepotError,
  type FolderConfig,
  fileError,
  loadSigningKey,
  makeFolder,
  openSource,
  type Registries,
  retiredFingerprints,
} from '../../server/index.js';
import { depotConfig, parseJobs } from '../assets-options.js';
import {
  type ConvertFlags,
  type ConvertWishes,
  parseConvertFlags,
  readImageList,
} from '../convert-options.js';
import { interruption } from '../interruptible.js';
import { existingPassphrase } from '../passphrase.js';
import { createDisplay, type Display, plainDisplay } from '../progress.js';
import { configuredRegistries } from '../registry-options.js';
import { countWords, resultLine, totalLine } from '../result-text.js';
import { printJson, run, say } from '../run.js';

const HELP = `
IMAGE is one of
  oci:DIR[:REF]               a folder in the OCI image layout, as skopeo writes it
  oci-archive:FILE[:REF]      the same in a tar
  docker-archive:FILE[:REF]   what docker save or skopeo wrote
  PATH                        a folder or file that is one of these
  HOST/REPOSITORY[:TAG]       in the depot's own registry, else in an upstream of the configuration; without a host, too
  docker://HOST/REPOSITORY    in that registry itself; a tag, a digest (@sha256:...) or both may follow
Passwords are those of docker login or skopeo login.
The file is called REPOSITORY:TAG.aci, slashes as dashes. --name gives another: with a slash in it the full name of the image
(quay.io/coreos/hyperkube:v1.3.6), of which the file's name is made, without one the file's name alone.

An image that was converted before is 'already there'. Exit status 3 if some images failed.

Examples:
  bootdepot convert oci:hyperkube --name quay.io/coreos/hyperkube:v1.3.6_coreos.0
  bootdepot convert oci:images:v1 --platform linux/arm64 --to /srv/assets
  bootdepot convert --from images.txt --jobs 4
  bootdepot convert oci:busybox --compress none --no-sign --json`;

/** The command. */
export function convertCommand(): Command {
  return new Command('convert')
    .description('make ACIs of container images, signed, in the assets folder')
    .argument('[image...]', 'images, see below')
    .option('--from <file>', 'convert the images of a list, one a line; # begins a comment')
    .option('--jobs <number>', 'how many images are converted at once (default 1)')
    .option('--to <dir>', 'where the ACIs go; the assets folder by default')
    .option('--platform <os/arch>', 'which image of a list, such as linux/arm/v7 (default linux/amd64)')
    .option('--compress <form>', 'gzip (default) or none')
    .option('--level <number>', 'of gzip: 1 is fast, 9 is small (default 6)')
    .option('--insecure', 'speak plain http with registries on other machines, too')
    .option('--name <name>', 'the name of the image, or of the file')
    .option('--docker2aci-names', 'call the files as docker2aci does: REPOSITORY-TAG.aci')
    .option('--no-sign', 'make no signatures')
    .option('--nosquash', 'one ACI a layer: left out, says so')
    .option('--hash <name>', 'of the signature: sha256 or sha512 (default)')
    .option('--assets <dir>', 'the assets folder')
    .option('--keys <dir>', 'the folder of keys')
    .option('--passphrase-file <file>', 'its first line opens the signing key')
    .option('--data <dir>', 'the folder of data; the registry is in it')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((images: string[], flags: ConvertFlags) => run(() => convert(images, flags)));
}

interface Outcome {
  readonly image: string;
  readonly done?: ConvertedImage;
  readonly error?: DepotError;
}

async function convert(named: readonly string[], flags: ConvertFlags): Promise<void> {
  const images = flags.from === undefined ? named : [...named, ...(await readImageList(flags.from))];
  const jobs = flags.jobs === undefined ? 1 : parseJobs(flags.jobs);
  const options = parseConvertFlags(images, flags);
  const config = await depotConfig({ ...flags, ...(flags.to !== undefined && { assets: flags.to }) }, [
    { name: 'sign.hash', flag: '--hash', value: flags.hash },
    { name: 'sign.passphraseFile', flag: '--passphrase-file', value: flags.passphraseFile },
  ]);
  const signing = flags.sign ? await signingOf(config) : undefined;
  const folder = config.assets.dir;
  await makeFolder(folder);
  const order: Order = {
    options,
    folder,
    signing,
    limits: config.convert?.limits,
    signal: interruption(),
    registries: registriesOnce(flags),
    turns: new Map(),
  };
  const outcomes = await mapSome(images, jobs, async (image) => {
    const display = flags.json || jobs > 1 ? plainDisplay : await createDisplay();
    const outcome = await attempt(image, () => convertOne(image, order, display)).finally(() =>
      display.end(),
    );
    if (!flags.json) tell(outcome, images.length, display);
    return outcome;
  });
  if (!flags.json && flags.from !== undefined) plainDisplay.line(totalLine(countWords(outcomes.map(wordOf))));
  if (flags.json) printJson({ images: outcomes.map(forJson) });
  refuseFailures(outcomes);
}

/** What holds for all images of one command. */
interface Order {
  readonly options: ConvertWishes;
  readonly folder: string;
  readonly signing: ConvertInto['signing'];
  readonly limits: ConvertInto['limits'];
  readonly signal: AbortSignal;
  readonly registries: () => Promise<Registries>;
  /** The last conversion into each file. */
  readonly turns: Map<string, Promise<ConvertedImage>>;
}

/** They are opened by the first image that needs them. */
function registriesOnce(flags: ConvertFlags): Order['registries'] {
  let opened: Promise<Registries> | undefined;
  return () => {
    opened ??= configuredRegistries(flags);
    return opened;
  };
}

async function convertOne(image: string, order: Order, display: Display): Promise<ConvertedImage> {
  const { options, folder, signing, limits, signal } = order;
  const { compression, level, style } = options;
  const source = await openSource(image, { ...options, scratch: folder, registries: order.registries });
  try {
    const path = join(folder, options.file ?? aciFileName(source.reference, style));
    const layers = source.layers.reduce((sum, { size }) => sum + (size ?? 0), 0);
    // Every layer is read twice.
    display.start({ files: 1, bytes: 2 * layers });
    const onBytes = (bytes: number): void => display.advance(bytes);
    const warn = (text: string): void => say(`warning: ${image}: ${text}`);
    const into = { path, compression, level, signing, limits, signal, onBytes, warn };
    // Two images of one name take turns, so that a file and its signature are always of the same.
    const before = order.turns.get(path);
    const turn = Promise.resolve(before?.catch(() => undefined)).then(() => convertInto(source, into));
    order.turns.set(path, turn);
    return await turn;
  } finally {
    await source.close();
  }
}

async function attempt(image: string, work: () => Promise<ConvertedImage>): Promise<Outcome> {
  try {
    return { image, done: await work() };
  } catch (error) {
    const failure = fileError(error, image);
    if (failure.code === 'INTERRUPTED') throw failure;
    return { image, error: failure };
  }
}

async function signingOf(config: FolderConfig): Promise<ConvertInto['signing']> {
  const { dir } = config.keys;
  const key = await loadSigningKey(dir, existingPassphrase(config.sign.passphraseFile));
  for (const warning of key.warnings) say(`warning: ${warning}`);
  const retired = await retiredFingerprints(dir);
  return { key, hashName: config.sign.hash, retired, now: () => new Date() };
}

function tell({ image, done, error }: Outcome, images: number, display: Display): void {
  if (done !== undefined) {
    display.line(resultLine(done.status, done.path, done.imageId.id));
  } else if (error !== undefined && images > 1) {
    display.line(resultLine('failed', image, error.message));
  }
}

function wordOf({ done }: Outcome): string {
  return done?.status ?? 'failed';
}

/** Does work on all items, a few at a time, and gives the results in the order of the items. */
async function mapSome<T, R>(items: readonly T[], jobs: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return results;
}

function forJson({ image, done, error }: Outcome) {
  if (done === undefined) return { image, status: 'failed', code: error?.code, reason: error?.message };
  const { status, path, signature, imageId, fileBytes } = done;
  return { image, status, path, signature: signature ?? null, imageId, size: fileBytes };
}

function refuseFailures(outcomes: readonly Outcome[]): void {
  const errors = outcomes.flatMap(({ error }) => error ?? []);
  const [first] = errors;
  if (first === undefined) return;
  if (outcomes.length === 1) throw first;
  const message = `${errors.length} of ${outcomes.length} images could not be converted`;
  throw new DepotError(errors.length < outcomes.length ? 'PARTIAL' : 'CHECK_FAILED', message);
}
