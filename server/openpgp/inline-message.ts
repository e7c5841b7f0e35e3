/** Messages that hold what they sign: one-pass signature, literal data, signature (RFC 9580, sections 5.4, 5.9 and 10.3). */
import { DepotError } from '../errors.js';
import type { HashName } from './detached.js';
import { loadOpenpgp } from './library.js';
import { type DetachedSignature, parseDetachedSignature } from './verify.js';

/** A message in its parts. */
export interface InlineMessage {
  readonly content: Uint8Array;
  readonly signature: DetachedSignature;
}

/** The parts of a message that is to be put together. */
export interface InlineParts {
  readonly content: Uint8Array;
  /** One binary signature packet over the content. */
  readonly signature: Uint8Array;
  readonly hashName: HashName;
  /** Of the key that signed: 40 hex digits. */
  readonly fingerprint: string;
}

const TAG = { onePass: 4, literal: 11 } as const;
const HASH_IDS: Readonly<Record<HashName, number>> = { sha256: 8, sha512: 10 };
const BINARY = 0x00;
const RSA = 1;
/** No other signature follows. */
const LAST = 1;
/** A few bytes can unpack to any number of them. */
const MAX_UNPACKED_BYTES = 1024 * 1024;

/** Puts a binary message together. */
export function inlineMessage({ content, signature, hashName, fingerprint }: InlineParts): Buffer {
  const keyId = Buffer.from(fingerprint, 'hex').subarray(-8);
  const head = Buffer.from([3, BINARY, HASH_IDS[hashName], RSA]);
  const onePass = Buffer.concat([head, keyId, Buffer.from([LAST])]);
  // The format b, no name, no date.
  const literal = Buffer.concat([Buffer.from([0x62, 0, 0, 0, 0, 0]), content]);
  return Buffer.concat([packet(TAG.onePass, onePass), packet(TAG.literal, literal), signature]);
}

/** A packet with the new header form and a length of five bytes, or of one where that is enough. */
function packet(tag: number, body: Uint8Array): Buffer {
  const length = body.length < 192 ? Buffer.from([body.length]) : Buffer.alloc(5, 0xff);
  if (length.length === 5) length.writeUInt32BE(body.length, 1);
  return Buffer.concat([Buffer.from([0xc0 | tag]), length, body]);
}

/**
 * Takes a message apart, compressed (as gpg makes it) or not.
 *
 * @param bytes - untrusted
 * @throws DepotError `SIGNATURE_INVALID`: armored, cleartext, detached, encrypted, or signed by several
 */
export async function readInlineMessage(bytes: Uint8Array): Promise<InlineMessage> {
  // The first bit of a packet is always set, and that of text never is.
  if (((bytes[0] ?? 0) & 0x80) === 0) throw invalid('is no binary OpenPGP message');
  const { content, signatures } = await openMessage(bytes);
  const [signature, another] = signatures;
  if (signature === undefined || another !== undefined) {
    throw invalid('is no message that holds one text and one signature of it');
  }
  return { content, signature: await parseDetachedSignature(signature) };
}

/** The library is given no keys: what the signatures are worth is decided elsewhere. */
async function openMessage(bytes: Uint8Array) {
  const openpgp = await loadOpenpgp();
  try {
    const config = { maxDecompressedMessageSize: MAX_UNPACKED_BYTES };
    const message = await openpgp.readMessage({ binaryMessage: bytes, config });
    const read = await openpgp.verify({ message, verificationKeys: [], format: 'binary', config });
    const signatures = await Promise.all(read.signatures.map(async (each) => (await each.signature).write()));
    return { content: read.data, signatures };
  } catch (cause) {
    throw invalid('cannot be read', cause);
  }
}

function invalid(problem: string, cause?: unknown): DepotError {
  return new DepotError('SIGNATURE_INVALID', `the signature ${problem}`, {}, { cause });
}
