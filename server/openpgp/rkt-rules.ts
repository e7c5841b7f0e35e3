/** Where rkt is stricter than OpenPGP: its old library refuses keys and signatures that gpg takes. */
import type { Key, SignaturePacket } from 'openpgp';
import type { Certificate } from './certificate.js';
import { rsaPublicNumbers } from './rsa.js';
import type { DetachedSignature } from './verify.js';

const MAX_EXPONENT_BYTES = 3;

/**
 * Whether the integer of an RSA signature has as many bytes as the modulus. OpenPGP drops leading zeros, and rkt
 * refuses the shorter integer that is left: about one valid signature in 256.
 *
 * @param packet - as it was read; one that was just made may still have its zeros
 */
export function hasFullInteger(packet: SignaturePacket, publicParams: object): boolean {
  const modulus = rsaPublicNumbers(publicParams)?.modulus;
  const params: unknown = 'params' in packet ? packet.params : undefined;
  const integer: unknown =
    typeof params === 'object' && params !== null && 's' in params ? params.s : undefined;
  return modulus !== undefined && integer instanceof Uint8Array && integer.length === modulus.length;
}

/** The last line of a block before its end: `=` and 24 bits in base64. */
const ARMOR_CHECKSUM = /^=[A-Za-z0-9+/]{4}\r?\n-----END/m;

/**
 * Why rkt would refuse a detached signature that is good to others, as gpg may make one.
 *
 * @param certificate - of the key that made it
 * @returns `undefined`: it would not
 */
export function rktRefusal(
  { packet, armor }: DetachedSignature,
  certificate: Certificate,
): string | undefined {
  if (!hasFullInteger(packet, certificate.key.keyPacket.publicParams)) {
    return 'has a short RSA integer, which rkt refuses';
  }
  if (armor !== undefined && !ARMOR_CHECKSUM.test(armor)) return 'has no armor checksum, which rkt refuses';
  return undefined;
}

/** Whether every self-signature on the user ids of an RSA key is one that rkt takes; as the key was read. */
export function certificationsAreFull(key: Key): boolean {
  const { publicParams } = key.keyPacket;
  return key.users.every((user) =>
    user.selfCertifications.every((packet) => hasFullInteger(packet, publicParams)),
  );
}

/**
 * What an RSA key brings with it that rkt, or another client, would not take.
 *
 * @param key - as its owner made it, secret or public
 * @param expires - of its certificate
 * @returns a sentence for each, none where all is well
 */
export function keyWarnings(key: Key, expires: Date | undefined): string[] {
  const warnings: string[] = [];
  if (key.subkeys.length > 0) {
    warnings.push(
      `${key.subkeys.length} subkey(s) are left out: rkt refuses a key file with subkeys of some kinds, and nothing here needs them`,
    );
  }
  if (expires !== undefined) {
    warnings.push(
      `the key expires at ${expires.toISOString()}: rkt does not look, but other clients refuse it then`,
    );
  }
  if (!certificationsAreFull(key)) {
    warnings.push(
      'a self-signature has a short RSA integer, so rkt will refuse the key: make it again with gpg --quick-set-expire, then export and import the key',
    );
  }
  const exponent = rsaPublicNumbers(key.keyPacket.publicParams)?.exponent;
  if (exponent !== undefined && exponent.length > MAX_EXPONENT_BYTES) {
    warnings.push('the RSA exponent has more than 3 bytes, so rkt will refuse the key');
  }
  return warnings;
}
