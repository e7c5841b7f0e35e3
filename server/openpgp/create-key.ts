/** Making a signing key that every client takes: RSA-4096, version 4, no subkeys. */
import type { PrivateKey } from 'openpgp';
import { DepotError } from '../errors.js';
import { type Certificate, certificateOf } from './certificate.js';
import { loadOpenpgp } from './library.js';
import { certificationsAreFull } from './rkt-rules.js';
import { type AskPassphrase, parseSecret } from './secret-key.js';
import type { UserId } from './user-id.js';

const RSA_BITS = 4096;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Times in OpenPGP are seconds since 1970 in 32 bits. */
const LAST_TIME_MS = (2 ** 32 - 1) * 1000;
/** One self-signature in 256 or less is short; this many in a row mean that something else is wrong. */
const MOST_TRIES = 32;

/** What a new key is to be. */
export interface KeyRequest {
  readonly userId: UserId;
  /**
   * The creation date that clients see. By default a day before `now`: a machine whose clock is behind refuses a
   * key from its future.
   */
  readonly created?: Date | undefined;
  /** When it stops to be valid; never by default. */
  readonly expires?: Date | undefined;
  /** Asked once all else is in order. Locks the secret; none or an empty one leaves it open. */
  readonly passphrase?: AskPassphrase | undefined;
}

/** A key that is in no folder yet. */
export interface NewKey {
  readonly certificate: Certificate;
  /** The secret key, one armored block. */
  readonly armoredSecret: string;
}

/**
 * Makes a key. Takes a second or a few, off the event loop.
 *
 * @throws DepotError `USAGE`: dates that make no sense together
 */
export async function generateKey(request: KeyRequest, now: Date): Promise<NewKey> {
  const options = keyOptions(request, now);
  const passphrase = await request.passphrase?.();
  const openpgp = await loadOpenpgp();
  const made = await openpgp.generateKey({
    ...options,
    type: 'rsa',
    rsaBits: RSA_BITS,
    subkeys: [],
    format: 'object',
  });
  const open = await withFullCertification(made.privateKey, (privateKey) =>
    openpgp.reformatKey({ ...options, privateKey, format: 'object' }).then((again) => again.privateKey),
  );
  const stored = passphrase ? await openpgp.encryptKey({ privateKey: open, passphrase }) : open;
  return { certificate: await certificateOf(open), armoredSecret: stored.armor() };
}

/**
 * Lets a key certify itself again until rkt would take the result.
 *
 * @param key - opened
 * @param certifyAgain - gives the same key with a new self-signature; openpgp.js salts it, so it comes out different
 * @returns a key whose self-signatures are full, as it reads after it was written
 */
export async function withFullCertification(
  key: PrivateKey,
  certifyAgain: (key: PrivateKey) => Promise<PrivateKey>,
): Promise<PrivateKey> {
  let current = key;
  for (let attempt = 0; attempt < MOST_TRIES; attempt += 1) {
    const read = await parseSecret(current.write(), 'the new key');
    if (certificationsAreFull(read)) return read;
    current = await certifyAgain(read);
  }
  throw new DepotError('KEY_UNUSABLE', 'the new key makes no self-signature of full length');
}

function keyOptions({ userId, created, expires }: KeyRequest, now: Date) {
  const date = wholeSeconds(created ?? new Date(now.getTime() - DAY_MS));
  if (date > now) throw new DepotError('USAGE', '--created lies in the future: clients refuse such a key');
  const keyExpirationTime = expires === undefined ? 0 : secondsBetween(date, expires, now);
  return { userIDs: [{ ...userId }], date, keyExpirationTime };
}

function wholeSeconds(date: Date): Date {
  const time = date.getTime();
  if (!(time > 0 && time <= LAST_TIME_MS)) {
    throw new DepotError('USAGE', 'a date of a key lies between 1970 and 2106');
  }
  return new Date(Math.floor(time / 1000) * 1000);
}

function secondsBetween(created: Date, expires: Date, now: Date): number {
  if (expires <= now) throw new DepotError('USAGE', 'the key would have expired already');
  return (wholeSeconds(expires).getTime() - created.getTime()) / 1000;
}
