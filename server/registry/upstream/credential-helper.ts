/** Programs that keep names and passwords, `docker-credential-NAME`. docker/docker-credential-helpers, README, "Usage". */
import { execFile } from 'node:child_process';
import { z } from 'zod';
import { DepotError, systemCode } from '../../errors.js';

/** A name and its password. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** Which program is asked, and how. */
export interface HelperCall {
  /** What follows `docker-credential-`; from a file, unchecked. */
  readonly name: string;
  /** The registry, as docker calls it to its helpers. */
  readonly server: string;
  /** Its environment, with the PATH on which it is looked for. */
  readonly env: Readonly<NodeJS.ProcessEnv>;
  /** How long it may take, in milliseconds. */
  readonly withinMs: number;
}

interface Ended {
  readonly error: Error | null;
  readonly out: string;
}

const NAME = /^[a-z0-9-]+$/;
const ANSWER = z.object({ Username: z.string(), Secret: z.string() });
const MOST_BYTES = 64 * 1024;
const NOTHING_KNOWN = 'credentials not found in native keychain';
/** What a helper gives as the name where the secret is no password. */
const TOKEN_NAME = '<token>';

/**
 * Asks a credential helper who we are for a registry. What it writes is told to nobody.
 *
 * @returns `undefined` if it knows nothing of that registry
 * @throws DepotError `CONFIG_INVALID`: no name of a helper, it is not on the PATH, fails, takes too long, or answers
 *   something else than a name and a password
 */
export async function askHelper(call: HelperCall): Promise<Login | undefined> {
  const { name, server } = call;
  if (!NAME.test(name)) {
    throw new DepotError(
      'CONFIG_INVALID',
      `credential helper: expected small letters, digits and dashes, got ${JSON.stringify(name)}`,
    );
  }
  const program = `docker-credential-${name}`;
  const { error, out } = await runHelper(program, call);
  if (error !== null && out.trim() === NOTHING_KNOWN) return undefined;
  if (error !== null) throw failed(program, server, reasonOf(error));
  const answer = answerOf(out);
  if (answer === undefined) throw failed(program, server, 'did not answer with a name and a password');
  if (answer.username === TOKEN_NAME) {
    throw failed(program, server, 'has an identity token, which is of no use here: log in with a password');
  }
  return answer.username === '' ? undefined : answer;
}

function runHelper(program: string, { server, env, withinMs }: HelperCall): Promise<Ended> {
  const options = { env, timeout: withinMs, killSignal: 'SIGKILL', maxBuffer: MOST_BYTES } as const;
  return new Promise((resolve) => {
    const child = execFile(program, ['get'], options, (error, out) => resolve({ error, out }));
    // One that ends without reading is judged by how it ended.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${server}\n`);
  });
}

function reasonOf(error: Error): string {
  if (systemCode(error) === 'ENOENT') return 'is not on the PATH';
  if ('killed' in error && error.killed === true) return 'did not answer in time';
  return 'failed';
}

function answerOf(text: string): Login | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = ANSWER.safeParse(raw);
  return parsed.success ? { username: parsed.data.Username, password: parsed.data.Secret } : undefined;
}

function failed(program: string, server: string, reason: string): DepotError {
  return new DepotError(
    'CONFIG_INVALID',
    `the credential helper ${program} ${reason}; to try it: echo ${server} | ${program} get`,
  );
}
