/** `bootdepot client`: the configuration of the machines that use a depot. */
import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import {
  CLIENT_FORMATS,
  CLIENT_OPTIONS,
  type ClientConfiguration,
  type ClientFile,
  type ClientFormat,
  configureClient,
  configureManifests,
  DepotError,
  fileError,
  listClientKinds,
  loadConfig,
  publishedKeys,
  type RawOptions,
  type SiteRequest,
  writeClientFiles,
  writeFileAtomically,
} from '../../server/index.js';
import { print, printBytes, printJson, run, say } from '../run.js';

/** The flags that are not about the machine. */
interface ClientFlags {
  readonly format: ClientFormat;
  readonly out?: string;
  readonly merge?: string;
  readonly ca?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly keys?: string;
  readonly config?: string;
  readonly list?: true;
  readonly json?: true;
}

const HELP = `
Examples:
  bootdepot client --list
  bootdepot client containerd --registry depot.example.com:5000 --mirror-of quay.io,docker.io --out /tmp/root
  bootdepot client podman --registry depot.example.com:5000 --require-signatures --format script > podman.sh
  bootdepot client rkt,docker-dropin --format ignition > depot.ign
  bootdepot client docker --merge /etc/docker/daemon.json
  bootdepot client kubernetes --registry depot.example.com:5000 < manifests.yaml > here.yaml

The address is that of the flags, else publicUrl of the configuration. Nothing is changed but what --out names;
--out / configures this machine.`;

/** The command. */
export function clientCommand(): Command {
  const command = new Command('client')
    .description('print the configuration of machines and programs that use the depot')
    .argument('[kind]', 'one, or several with commas; --list shows them');
  for (const { name, value, text, list } of CLIENT_OPTIONS) {
    const option = new Option(value === undefined ? `--${name}` : `--${name} <${value}>`, text);
    command.addOption(list ? option.argParser(gather) : option);
  }
  return command
    .addOption(
      new Option('--format <format>', 'in which form').choices([...CLIENT_FORMATS.keys()]).default('files'),
    )
    .option('--out <path>', 'the folder for files, or the file for another form; stdout without')
    .option('--merge <file>', 'the file of the machine that is to be joined: daemon.json, policy.json, …')
    .option('--ca <file>', 'PEM of the authority of the registry; ca.crt in the folder of keys without')
    .option('--user <name>', 'rkt: who it logs in as')
    .option('--password-file <file>', 'with --user: its first line is the password')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--list', 'list the kinds')
    .option('--json', 'with --list, for scripts')
    .addHelpText('after', HELP)
    .action((kinds: string | undefined, flags: ClientFlags) =>
      run(() => client(kinds, flags, rawOptions(command))),
    );
}

function gather(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

/** What was said about the machine, as texts. */
function rawOptions(command: Command): RawOptions {
  const flags: Readonly<Record<string, unknown>> = command.opts();
  const raw = new Map<string, readonly string[]>();
  for (const { name } of CLIENT_OPTIONS) {
    const value = flags[new Option(`--${name}`).attributeName()];
    if (value !== undefined) raw.set(name, Array.isArray(value) ? value.map(String) : [String(value)]);
  }
  return raw;
}

async function client(kinds: string | undefined, flags: ClientFlags, options: RawOptions): Promise<void> {
  if (flags.list) return list(flags);
  if (kinds === undefined) throw new DepotError('USAGE', 'which kind? bootdepot client --list shows them');
  const site = await siteRequest(flags, options);
  if (kinds === 'kubernetes') return rewrite(site);
  const existing = flags.merge === undefined ? undefined : await readText(flags.merge);
  const made = await configureClient({ ...site, kinds, format: flags.format, existing });
  await deliver(made, flags);
  for (const note of made.notes) say(note);
}

async function list({ json }: ClientFlags): Promise<void> {
  const kinds = await listClientKinds();
  if (json) return printJson(kinds);
  for (const { name, text } of kinds) print(`${name.padEnd(14)} ${text}`);
}

async function siteRequest(flags: ClientFlags, options: RawOptions): Promise<SiteRequest> {
  const settings = [{ name: 'keys.dir', flag: '--keys', value: flags.keys }];
  const { config } = await loadConfig({ file: flags.config, flags: settings });
  const publication = publishedKeys(config.keys.dir, (_file, reason) => say(`warning: ${reason}`));
  return {
    ...{ options, address: config.publicUrl, keysDir: config.keys.dir, publication },
    caFile: flags.ca,
    login: await loginOf(flags),
  };
}

async function loginOf({ user, passwordFile }: ClientFlags): Promise<SiteRequest['login']> {
  if (user === undefined && passwordFile === undefined) return undefined;
  if (user === undefined || passwordFile === undefined) {
    throw new DepotError('USAGE', '--user and --password-file go together');
  }
  const [password = ''] = (await readText(passwordFile)).split(/\r?\n/);
  return { user, password };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
}

async function deliver({ rendered, files }: ClientConfiguration, flags: ClientFlags): Promise<void> {
  const { format, out } = flags;
  if (out === undefined) {
    const [only] = files;
    if (format === 'files' && files.length === 1 && only !== undefined) sayWhere(only);
    if (format === 'tar' && process.stdout.isTTY) {
      throw new DepotError('USAGE', 'an archive is not for a terminal: give --out, or redirect the output');
    }
    return printBytes(Buffer.from(rendered));
  }
  if (format === 'files') {
    for (const path of await writeClientFiles(out, files)) print(path);
    return;
  }
  await writeFileAtomically(out, rendered, { mode: modeOf(flags) });
  print(out);
}

/** What holds a password is for its owner alone. */
function modeOf({ format, user }: ClientFlags): number {
  const mode = format === 'script' ? 0o755 : 0o644;
  return user === undefined ? mode : mode & 0o700;
}

/** One file is printed as it is, so that it can be redirected; where it goes is said beside it. */
function sayWhere({ path, mode, purpose, after }: ClientFile): void {
  say(`${path}, mode ${mode.toString(8).padStart(4, '0')}: ${purpose}`);
  for (const call of after) say(`then: ${call.join(' ')}`);
}

/** As much as a manifest of Kubernetes may ever need. */
const MAX_INPUT_BYTES = 64 * 1024 * 1024;

async function rewrite(site: SiteRequest): Promise<void> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    if (bytes > MAX_INPUT_BYTES) throw new DepotError('USAGE', 'more than 64 MiB of manifests: split them');
  }
  const { text, renamed, passedOver } = await configureManifests(Buffer.concat(chunks).toString(), site);
  await printBytes(Buffer.from(text));
  for (const [from, to] of renamed) say(`${from} -> ${to}`);
  for (const image of passedOver) say(`left as it is, no name of an image: ${image}`);
}
