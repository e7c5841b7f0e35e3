/** The command tree. Each command lives in its own file below `commands/` and adds itself here. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { loadLean } from './lean-load.js';
import { say } from './run.js';

/** The commands, each loaded when it is named: signing has no use for the modules of a server. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['aci', async () => (await import('./commands/aci.js')).aciCommand()],
  ['bundle', async () => (await import('./commands/bundle.js')).bundleCommand()],
  ['client', async () => (await import('./commands/client.js')).clientCommand()],
  ['convert', async () => (await import('./commands/convert.js')).convertCommand()],
  ['gc', async () => (await import('./commands/gc.js')).gcCommand()],
  ['key', async () => (await import('./commands/key.js')).keyCommand()],
  ['mirror', async () => (await import('./commands/mirror.js')).mirrorCommand()],
  ['scrub', async () => (await import('./commands/scrub.js')).scrubCommand()],
  ['serve', async () => (await loadLean(() => import('./commands/serve.js'))).serveCommand()],
  ['sign', async () => (await import('./commands/sign.js')).signCommand()],
  ['tls', async () => (await import('./commands/tls.js')).tlsCommand()],
  ['user', async () => (await import('./commands/user.js')).userCommand()],
  ['verify', async () => (await import('./commands/verify.js')).verifyCommand()],
]);

/** Reads the command line and runs the command it names. */
export async function main(): Promise<void> {
  const program = new Command('bootdepot')
    .description('Serves and signs everything that bare-metal and air-gapped clusters pull while they boot.')
    .version(readVersion())
    .exitOverride()
    .showHelpAfterError('(see --help)');
  for (const load of wantedCommands()) program.addCommand(await load());
  for (const command of program.commands) inherit(command, program);
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    if (error.code === 'commander.help') say('');
  }
}

/** The command that is named; all of them for help, and for a name that is none. */
function wantedCommands(): readonly (() => Promise<Command>)[] {
  const named = COMMANDS.get(process.argv[2] ?? '');
  return named === undefined ? [...COMMANDS.values()] : [named];
}

/** Commands that are made elsewhere do not take over by themselves how wrong use is reported. */
function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed === 'object' && parsed !== null && 'version' in parsed) return String(parsed.version);
  return 'unknown';
}
