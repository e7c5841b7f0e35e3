/** How every command runs: results on stdout, talk on stderr, failures as one line and an exit status. */
import { types } from 'node:util';
import { DepotError, fileError, outcomeOf, systemCode } from '../server/index.js';

const LONGEST_INTERVAL_MS = 2 ** 31 - 1;

/**
 * Runs the body of a command and sets the exit status: 0 done, or what the error's code says.
 *
 * @param work - the command; it throws to fail, and returns when it is done
 */
export async function run(work: () => Promise<void>): Promise<void> {
  process.stdout.on('error', endWithoutReader);
  // Work that waits for nothing but its own pause, before it asks a server again, must not end with the process.
  const hold = setInterval(() => undefined, LONGEST_INTERVAL_MS);
  try {
    await work();
  } catch (error) {
    say(`bootdepot: ${describe(error)}`);
    process.exitCode = outcomeOf(error).exit;
  } finally {
    clearInterval(hold);
  }
}

/** Writes a line of results to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes bytes to stdout as they are, as fast as they are taken. */
export async function printBytes(bytes: Uint8Array): Promise<void> {
  // Where they are not taken, the process ends before this does: see endWithoutReader.
  await new Promise<void>((resolve) => {
    process.stdout.write(bytes, (error) => {
      if (error == null) resolve();
    });
  });
}

/** Writes a value for scripts to stdout, as one JSON document. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Writes a line of talk (progress, warnings, failures) to stderr. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Results that nobody takes: the reader has left, as `head` does, or the disk is full. */
function endWithoutReader(error: Error): never {
  if (systemCode(error) === 'EPIPE') process.exit();
  const failure = fileError(error, 'stdout');
  say(`bootdepot: ${failure.message}`);
  process.exit(outcomeOf(failure).exit);
}

function describe(error: unknown): string {
  if (error instanceof DepotError) return error.message;
  return types.isNativeError(error) ? (error.stack ?? error.message) : String(error);
}
