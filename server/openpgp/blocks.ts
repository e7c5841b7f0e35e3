/** OpenPGP data as it lies in files: binary packets, or armored blocks with any text around them (RFC 9580, section 6). */
import { open } from 'node:fs/promises';
import { DepotError, fileError } from '../errors.js';
import { loadOpenpgp } from './library.js';

/** One armored block, or a whole binary file. */
export interface Block {
  /** What the armor says it is, such as `PUBLIC KEY BLOCK`; a binary file says nothing. */
  readonly kind: string | undefined;
  /** The packets. */
  readonly bytes: Uint8Array;
  /** The block as text, from its first to its last dash; not there for a binary file. */
  readonly armor: string | undefined;
}

/** Larger than any keyring of a distributor; what is larger is something else. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

const ARMOR = /^-----BEGIN PGP ([A-Z ]+)-----[^\S\n]*$[\s\S]*?^-----END PGP \1-----/gm;

/**
 * Takes a file apart. The first bit of a packet is always set, and that of text never is.
 *
 * @param bytes - a whole file, untrusted
 * @returns one block for binary data; for text every armored block in it, perhaps none
 * @throws Error the armor is broken
 */
export async function readBlocks(bytes: Uint8Array): Promise<Block[]> {
  if (((bytes[0] ?? 0) & 0x80) !== 0) return [{ kind: undefined, bytes, armor: undefined }];
  const openpgp = await loadOpenpgp();
  const blocks: Block[] = [];
  for (const [armor, kind] of Buffer.from(bytes).toString('latin1').matchAll(ARMOR)) {
    const { data } = await openpgp.unarmor(`${armor}\n`);
    if (data instanceof Uint8Array) blocks.push({ kind, bytes: data, armor });
  }
  return blocks;
}

/**
 * Reads a file that should be small.
 *
 * @throws DepotError `CERTIFICATE_INVALID`: too large to be a key; `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function readKeyFile(path: string): Promise<Uint8Array> {
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size <= MAX_FILE_BYTES) return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, path);
  }
  throw new DepotError('CERTIFICATE_INVALID', `${path} is too large to be an OpenPGP key or keyring`, {
    path,
  });
}
