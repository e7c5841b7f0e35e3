/** Whether a file has a detached signature beside it, told from names and times alone: nothing is verified here. */
import { isAciName, signatureEndingsOf, signedNameOf } from './signature-name.js';

/** `stale`: a signature is older than the file. `unsigned`: one is expected, as of every ACI, and missing. */
export type SignatureState = 'signed' | 'stale' | 'unsigned';

/**
 * The signature state of a file.
 *
 * @param name - without its folder
 * @param modifiedMs - of the file, milliseconds since 1970
 * @param modifiedBeside - the same of a file in the same folder, `undefined` if there is none of that name
 * @returns `null` for a signature itself, and for a file without one that needs none
 */
export function signatureStateOf(
  name: string,
  modifiedMs: number,
  modifiedBeside: (name: string) => number | undefined,
): SignatureState | null {
  if (signedNameOf(name) !== undefined) return null;
  const made = signatureEndingsOf(name).map((ending) => modifiedBeside(name + ending));
  const known = made.filter((time) => time !== undefined);
  if (known.length === 0) return isAciName(name) ? 'unsigned' : null;
  return known.every((time) => time >= modifiedMs) ? 'signed' : 'stale';
}
