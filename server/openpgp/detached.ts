/**
 * Making detached signatures: version 4, over binary data (RFC 9580, sections 5.2.3 and 5.2.4). What is signed ends
 * with the signature's own head, so any number of signatures can be made from one pass over the file.
 */
import { constants, type Hash, privateEncrypt } from 'node:crypto';
import { DepotError } from '../errors.js';
import { loadOpenpgp } from './library.js';
import type { SigningKey } from './signing-key.js';
import { type DetachedSignature, parseDetachedSignature, verifyHashed } from './verify.js';

/** The hashes that bootdepot signs with. */
export type HashName = 'sha256' | 'sha512';

/** The number in OpenPGP, and the prefix that PKCS #1 puts before the digest (RFC 8017, section 9.2, note 1). */
const HASHES = {
  sha256: { id: 8, prefix: Buffer.from('3031300d060960864801650304020105000420', 'hex') },
  sha512: { id: 10, prefix: Buffer.from('3051300d060960864801650304020305000440', 'hex') },
} as const satisfies Record<HashName, { id: number; prefix: Buffer }>;

const BINARY = 0x00;
const RSA = 1;
const SUBPACKET = { created: 2, issuerKeyId: 16, notation: 20, issuerFingerprint: 33 } as const;

/** One try in 256 or less gives a short integer; this many in a row mean that something else is wrong. */
const MOST_TRIES = 32;

/**
 * Signs what a hash has eaten.
 *
 * @param hash - of kind `hashName`, has eaten the whole file; it is copied, not used up
 * @param now - the time that the signature says it was made at, in whole seconds
 * @returns one binary signature packet with an RSA integer of full length (old clients refuse a shorter one), read
 *   back and checked against the certificate
 * @throws DepotError `KEY_UNUSABLE`: what this key makes does not verify with its certificate
 */
export async function signHashed(
  key: SigningKey,
  hash: Hash,
  hashName: HashName,
  now: Date,
): Promise<Uint8Array> {
  for (let attempt = 0; attempt < MOST_TRIES; attempt += 1) {
    const packet = signOnce(key, hash, hashName, { now, attempt });
    if (packet === undefined) continue;
    const verdict = await verifyHashed(await parseDetachedSignature(packet), hash, [key.certificate], now);
    if (verdict.state === 'good') return packet;
    throw new DepotError('KEY_UNUSABLE', `a signature made by key ${key.fingerprint} ${verdict.reason}`);
  }
  throw new DepotError('KEY_UNUSABLE', `key ${key.fingerprint} makes no signature of full length`);
}

/** The packet, or `undefined` if its integer came out short. */
function signOnce(
  key: SigningKey,
  hash: Hash,
  hashName: HashName,
  { now, attempt }: { now: Date; attempt: number },
): Uint8Array | undefined {
  const { id, prefix } = HASHES[hashName];
  const fingerprint = Buffer.from(key.fingerprint, 'hex');
  const hashed = Buffer.concat([
    subpacket(SUBPACKET.created, uint32(Math.floor(now.getTime() / 1000))),
    subpacket(SUBPACKET.issuerFingerprint, Buffer.concat([Buffer.from([4]), fingerprint])),
    attempt === 0 ? Buffer.alloc(0) : salt(attempt),
  ]);
  const head = Buffer.concat([Buffer.from([4, BINARY, RSA, id]), uint16(hashed.length), hashed]);
  const trailer = Buffer.concat([Buffer.from([4, 0xff]), uint32(head.length)]);
  const digest = hash.copy().update(head).update(trailer).digest();
  const integer = privateEncrypt(
    { key: key.secret, padding: constants.RSA_PKCS1_PADDING },
    Buffer.concat([prefix, digest]),
  );
  const first = integer[0] ?? 0;
  if (first === 0) return undefined;
  const unhashed = subpacket(SUBPACKET.issuerKeyId, fingerprint.subarray(-8));
  const bits = integer.length * 8 - (Math.clz32(first) - 24);
  const body = [head, uint16(unhashed.length), unhashed, digest.subarray(0, 2), uint16(bits), integer];
  return signaturePacket(Buffer.concat(body));
}

/** Changes what is signed and nothing else: the notation that openpgp.js has for this (clients pass over it). */
function salt(attempt: number): Buffer {
  const name = Buffer.from('salt@notations.openpgpjs.org');
  const value = Buffer.from([attempt]);
  const sizes = Buffer.concat([uint16(name.length), uint16(value.length)]);
  return subpacket(SUBPACKET.notation, Buffer.concat([uint32(0), sizes, name, value]));
}

function subpacket(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([body.length + 1, type]), body]);
}

/** A packet with the old header form, which every reader knows: tag 2, length in two bytes. */
function signaturePacket(body: Buffer): Uint8Array {
  return Buffer.concat([Buffer.from([0x89]), uint16(body.length), body]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The text form of a signature packet: one block, with the checksum line that old clients insist on. */
export async function armorSignature(packet: Uint8Array): Promise<string> {
  const openpgp = await loadOpenpgp();
  return openpgp.armor(openpgp.enums.armor.signature, packet, undefined, undefined, undefined, true);
}

/**
 * The one text that a signature has when bootdepot writes it. An armored block can be written in many ways, and parts of a packet
 * are not signed: where every byte is to be the expected one, this is compared.
 */
export async function canonicalText({ packet }: DetachedSignature): Promise<string> {
  return armorSignature(signaturePacket(Buffer.from(packet.write())));
}
