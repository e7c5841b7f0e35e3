/** OpenPGP certificates: public keys with their user ids (RFC 9580, section 10.1). */
import type { AlgorithmInfo, AnyPacket, Key } from 'openpgp';
import { DepotError } from '../errors.js';
import { readBlocks } from './blocks.js';
import { loadOpenpgp } from './library.js';

/** A certificate and what people ask of it. It never holds secret packets. */
export interface Certificate {
  /** 40 upper-case hex digits, of the primary key. */
  readonly fingerprint: string;
  readonly userIds: readonly string[];
  readonly created: Date;
  /** When its primary key stops to be valid. */
  readonly expires: Date | undefined;
  readonly revoked: boolean;
  /** Such as `RSA 4096` or `Ed25519`. */
  readonly algorithm: string;
  /** One block with its checksum line. */
  readonly armored: string;
  /** The same packets, as gpgv wants them. */
  readonly binary: Uint8Array;
  /** The object of openpgp.js, for this room only. */
  readonly key: Key;
}

/**
 * Reads every certificate of a file.
 *
 * @param bytes - armored (several blocks are fine) or binary, untrusted
 * @param name - of the file, for messages
 * @throws DepotError `CERTIFICATE_INVALID`: no certificate, a broken one, or a secret key among them
 */
export async function parseCertificates(bytes: Uint8Array, name: string): Promise<Certificate[]> {
  const certificates: Certificate[] = [];
  for (const key of await parseKeys(bytes, name)) {
    if (key.isPrivate()) throw invalid(name, 'holds a secret key; only certificates are expected here');
    certificates.push(await certificateOf(key));
  }
  return certificates;
}

/**
 * Reads every key of a file, public or secret.
 *
 * @throws DepotError `CERTIFICATE_INVALID`: there is none, or a broken one
 */
export async function parseKeys(bytes: Uint8Array, name: string): Promise<Key[]> {
  const openpgp = await loadOpenpgp();
  const keys: Key[] = [];
  try {
    for (const block of await readBlocks(bytes)) {
      if (block.kind !== undefined && !block.kind.endsWith(' KEY BLOCK')) continue;
      keys.push(...(await openpgp.readKeys({ binaryKeys: block.bytes })));
    }
  } catch (cause) {
    throw invalid(name, 'is not an OpenPGP key that can be read', cause);
  }
  if (keys.length === 0) throw invalid(name, 'holds no OpenPGP key');
  return keys;
}

/** Describes the public part of a key. */
export async function certificateOf(key: Key): Promise<Certificate> {
  const certificate = key.toPublic();
  const expires = await certificate.getExpirationTime();
  return {
    fingerprint: certificate.getFingerprint().toUpperCase(),
    userIds: certificate.getUserIDs(),
    created: certificate.getCreationTime(),
    expires: expires instanceof Date ? expires : undefined,
    revoked: await certificate.isRevoked(),
    algorithm: nameAlgorithm(certificate.getAlgorithmInfo()),
    armored: certificate.armor(),
    binary: certificate.write(),
    key: certificate,
  };
}

/**
 * Leaves of a key what a depot needs: primary key, user ids, and what the key itself says about them. Old clients
 * refuse a file for a subkey or a certification of a kind that they do not know.
 *
 * @returns a secret key for a secret key, locked as it was
 */
export async function bareKey(key: Key): Promise<Key> {
  const openpgp = await loadOpenpgp();
  const bare = new openpgp.PacketList<AnyPacket>();
  let wanted = true;
  for (const packet of key.toPacketList()) {
    if (packet instanceof openpgp.PublicSubkeyPacket || packet instanceof openpgp.SecretSubkeyPacket) break;
    if (packet instanceof openpgp.UserIDPacket) wanted = true;
    if (packet instanceof openpgp.UserAttributePacket) wanted = false;
    const foreign = packet instanceof openpgp.SignaturePacket && !packet.issuerKeyID.equals(key.getKeyID());
    if (wanted && !foreign) bare.push(packet);
  }
  return key.isPrivate() ? new openpgp.PrivateKey(bare) : new openpgp.PublicKey(bare);
}

const ALGORITHM_NAMES: Readonly<Record<string, string>> = {
  rsaEncryptSign: 'RSA',
  rsaSign: 'RSA',
  rsaEncrypt: 'RSA',
  dsa: 'DSA',
  ecdsa: 'ECDSA',
  eddsaLegacy: 'EdDSA',
  ed25519: 'Ed25519',
  ed448: 'Ed448',
};

function nameAlgorithm({ algorithm, bits, curve }: AlgorithmInfo): string {
  const name = ALGORITHM_NAMES[algorithm] ?? algorithm;
  const detail = bits ?? curve;
  return detail === undefined ? name : `${name} ${detail}`;
}

function invalid(name: string, problem: string, cause?: unknown): DepotError {
  return new DepotError('CERTIFICATE_INVALID', `${name} ${problem}`, { path: name }, { cause });
}
