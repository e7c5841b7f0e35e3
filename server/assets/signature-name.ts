/** The names of detached signatures: which file a signature belongs to, and where the signature of a file lies. */

/** The name of a folder's checksum list. */
export const CHECKSUMS_NAME = 'SHA256SUMS';

/** Endings of detached signatures. `.gpg` is one only beside a checksum list; elsewhere it is a keyring. */
const ENDINGS = ['.asc', '.sig'] as const;

/** An armored `.asc` beside ACIs, a binary `.sig` beside boot files, a binary `.gpg` beside checksum lists. */
export type SignatureEnding = '.asc' | '.sig' | '.gpg';

/**
 * The file that a signature is named after.
 *
 * @param name - a file name or a path that ends in one
 * @returns `undefined` if it is not the name of a signature
 */
export function signedNameOf(name: string): string | undefined {
  if (name === `${CHECKSUMS_NAME}.gpg` || name.endsWith(`/${CHECKSUMS_NAME}.gpg`)) return name.slice(0, -4);
  const ending = ENDINGS.find((candidate) => name.endsWith(candidate));
  return ending === undefined ? undefined : name.slice(0, -ending.length);
}

/** Endings a signature of this file may have. */
export function signatureEndingsOf(name: string): readonly SignatureEnding[] {
  return isChecksumsName(name) ? [...ENDINGS, '.gpg'] : ENDINGS;
}

/** Whether a path is that of a checksum list. */
export function isChecksumsName(name: string): boolean {
  return name === CHECKSUMS_NAME || name.endsWith(`/${CHECKSUMS_NAME}`);
}

/** Whether a name is that of an ACI: rkt takes no other. */
export function isAciName(name: string): boolean {
  return name.endsWith('.aci');
}
