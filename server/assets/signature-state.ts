/** Whether a file has a detached signature beside it, told from names and times alone: nothing is verified here. */

/** `stale`: a signature is older than the file. `unsigned`: one is expected, as of every ACI, and missing. */
export type SignatureState = 'signed' | 'stale' | 'unsigned';

/** Armored, binary, and the one of a checksum list. */
const SIGNATURE_ENDINGS = ['.asc', '.sig', '.gpg'];

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
  if (SIGNATURE_ENDINGS.some((ending) => name.endsWith(ending))) return null;
  const made = SIGNATURE_ENDINGS.map((ending) => modifiedBeside(name + ending)).filter(
    (time) => time !== undefined,
  );
  if (made.length === 0) return name.endsWith('.aci') ? 'unsigned' : null;
  return made.every((time) => time >= modifiedMs) ? 'signed' : 'stale';
}
