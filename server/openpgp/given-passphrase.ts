/** Passphrases that nobody has to type. Never from the command line. */
import { readFile } from 'node:fs/promises';
import { fileError } from '../errors.js';

/** The variable that holds a passphrase. */
const VARIABLE = 'BOOTDEPOT_PASSPHRASE';

/**
 * Gives the passphrase that is written down somewhere.
 *
 * @param file - its first line is the passphrase; wins over the variable `BOOTDEPOT_PASSPHRASE`
 * @returns `undefined` if there is none, or an empty one
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function givenPassphrase(
  file: string | undefined,
  env: Readonly<NodeJS.ProcessEnv>,
): Promise<string | undefined> {
  if (file === undefined) return env[VARIABLE] || undefined;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw fileError(error, file);
  });
  return text.split(/\r?\n/, 1)[0] || undefined;
}
