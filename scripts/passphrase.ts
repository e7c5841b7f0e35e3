/** Passphrases: from a file, from the environment, or typed without echo. Never from the command line. */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type AskPassphrase, DepotError, givenPassphrase } from '../server/index.js';
import { say } from './run.js';

/**
 * How to open a key that is there.
 *
 * @param file - its first line is the passphrase; wins over `BOOTDEPOT_PASSPHRASE`, which wins over asking
 */
export function existingPassphrase(file: string | undefined): AskPassphrase {
  return async () =>
    (await givenPassphrase(file, process.env)) ??
    (canAsk() ? ask('Passphrase of the signing key:') : undefined);
}

/**
 * What a new key is locked with. Typed passphrases are asked for twice. Says that the key is being made, which takes
 * a moment and begins when this has been answered.
 *
 * @param file - as in {@link existingPassphrase}
 * @returns gives `undefined` if the key is to stay open: nothing was given, and nothing or an empty line was typed;
 *   throws DepotError `USAGE`: typed differently the second time
 */
export function passphraseForNewKey(file: string | undefined): AskPassphrase {
  return async () => {
    const passphrase =
      (await givenPassphrase(file, process.env)) ?? (canAsk() ? await askTwice() : undefined);
    say('making an RSA key of 4096 bits');
    return passphrase;
  };
}

/**
 * The password of a user: the first line of a file, or typed twice.
 *
 * @throws DepotError `USAGE`: neither, or typed differently the second time; `NOT_FOUND`, `ACCESS_DENIED`: the file
 */
export async function newPassword(file: string | undefined): Promise<string> {
  const given = file === undefined ? undefined : await givenPassphrase(file, {});
  const password = given ?? (file === undefined && canAsk() ? await askTwice('Password:') : undefined);
  if (password !== undefined) return password;
  throw new DepotError(
    'USAGE',
    'expected a password: nobody can type one here, so give it with --password-file',
  );
}

async function askTwice(
  prompt = 'Passphrase for the new key (empty for none):',
): Promise<string | undefined> {
  const typed = await ask(prompt);
  if (typed === '') return undefined;
  if ((await ask('The same again:')) !== typed) {
    throw new DepotError('USAGE', 'the two passphrases differ: nothing was done');
  }
  return typed;
}

function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

async function ask(prompt: string): Promise<string> {
  const { read } = await import('read');
  // At the end of input the promise of `read` never settles. It lets go of stdin then, as it does before it settles.
  const end = new AbortController();
  const endOfInput = once(process.stdin, 'pause', { signal: end.signal }).then(async () => {
    await nextTurn();
    throw new Error('the end of input');
  });
  try {
    return await Promise.race([read({ prompt, silent: true, output: process.stderr }), endOfInput]);
  } catch (cause) {
    throw new DepotError('INTERRUPTED', 'interrupted: nothing was done', {}, { cause });
  } finally {
    endOfInput.catch(() => undefined);
    end.abort();
  }
}
