/** openpgp.js, loaded on first use: a depot that only serves files never pays for its memory. */

/** The module, with the process-wide settings that this project relies on. */
export async function loadOpenpgp(): Promise<typeof import('openpgp')> {
  const openpgp = await import('openpgp');
  // Certificates of distributors can be old: gpg accepts keys without key flags, and DSA keys; elgamal never signs.
  openpgp.config.allowMissingKeyFlags = true;
  openpgp.config.rejectPublicKeyAlgorithms = new Set([openpgp.enums.publicKey.elgamal]);
  return openpgp;
}
