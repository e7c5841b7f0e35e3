/** RSA keys of OpenPGP in the runtime's own form, whose arithmetic is fast enough for the event loop. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { SecretKeyPacket } from 'openpgp';
import { DepotError } from '../errors.js';

/** The public numbers of an RSA key, as OpenPGP writes them: big-endian, without leading zeros. */
export interface RsaPublicNumbers {
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
}

/** Reads the public numbers of a key packet; `undefined` where it is not an RSA key. */
export function rsaPublicNumbers(publicParams: object): RsaPublicNumbers | undefined {
  if (!hasNumbers(publicParams, 'n', 'e')) return undefined;
  return { modulus: publicParams.n, exponent: publicParams.e };
}

/**
 * Turns an opened secret key into a key of node:crypto.
 *
 * @throws DepotError `KEY_UNUSABLE`: not an RSA key, or its secret numbers are not there
 */
export function rsaPrivateKey(packet: SecretKeyPacket): KeyObject {
  const params: object = { ...packet.publicParams, ...packet.privateParams };
  if (!hasNumbers(params, 'n', 'e', 'd', 'p', 'q', 'u')) {
    throw new DepotError('KEY_UNUSABLE', 'the signing key is not an open RSA key');
  }
  const { n, e, d, p, q, u } = params;
  // OpenPGP has u = 1/p mod q where JWK has qi = 1/q mod p: with the primes exchanged they are the same number.
  const jwk = { n, e, d, p: q, q: p, qi: u, dp: reduced(d, q), dq: reduced(d, p) };
  const texts = Object.entries(jwk).map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64url')]);
  return createPrivateKey({ key: { kty: 'RSA', ...Object.fromEntries(texts) }, format: 'jwk' });
}

/** By hand, because a schema library would double the time that signing needs to start. */
function hasNumbers<Name extends string>(
  params: object,
  ...names: readonly Name[]
): params is Record<Name, Uint8Array> {
  return names.every((name) => {
    const value: unknown = Reflect.get(params, name);
    return value instanceof Uint8Array && value.length > 0;
  });
}

/** `d` modulo one less than a prime. */
function reduced(d: Uint8Array, prime: Uint8Array): Uint8Array {
  const remainder = (integer(d) % (integer(prime) - 1n)).toString(16);
  return Buffer.from(remainder.length % 2 === 0 ? remainder : `0${remainder}`, 'hex');
}

function integer(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}
