/** A converted image in a folder of assets: named, signed, and made only once. */
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readAci } from '../aci/archive.js';
import { type IdentifiedAci, identifyAci } from '../aci/identify.js';
import { type ImageId, imageIdOf } from '../aci/image-id.js';
import { readImageManifest } from '../aci/image-manifest.js';
import { type Signing, signFile } from '../assets/sign-file.js';
import { removeStaleTemporaries, writeFileAtomically } from '../disk/atomic-file.js';
import { DepotError } from '../errors.js';
import { armorSignature, signHashed } from '../openpgp/detached.js';
import { parseImageConfig } from './config.js';
import { type ConvertOptions, convertImage, type WrittenAci } from './convert.js';
import { imageManifest } from './image-manifest.js';
import type { ImageSource } from './source.js';

/** The key, and how it signs. */
export type ConvertSigning = Pick<Signing, 'key' | 'hashName' | 'retired' | 'now'>;

/** Where a converted image goes. */
export interface ConvertInto extends Omit<ConvertOptions, 'hashName' | 'beforeVisible'> {
  /** `undefined`: no signature is made. */
  readonly signing: ConvertSigning | undefined;
}

/** What became of an image. */
export interface ConvertedImage {
  readonly path: string;
  /** Path of the signature, if it has one now. */
  readonly signature: string | undefined;
  /** `already there`: the file is of this very image, and nothing was done but to sign it where it was not. */
  readonly status: 'converted' | 'already there';
  readonly imageId: ImageId;
  /** Bytes of the file. */
  readonly fileBytes: number;
}

/**
 * Converts an image into a file with its signature, unless the file is of that image already. Both are whole before
 * either is visible; the signature comes first, as clients ask for it first.
 *
 * @throws DepotError `FILE_EXISTS`: the name belongs to another image, or to no image; as {@link convertImage}; `KEY_UNUSABLE`
 */
export async function convertInto(source: ImageSource, options: ConvertInto): Promise<ConvertedImage> {
  const { path, signing } = options;
  await removeStaleTemporaries(dirname(path)).catch(() => 0);
  const there = await identifyThere(path);
  if (there !== undefined && isOf(there, source, options)) return alreadyThere(path, signing);
  const name = manifestOf(source)?.name;
  if (there !== undefined && there.manifest.name !== name) {
    const taken = `${path} is the image ${there.manifest.name}, not ${name}: give another name by --name`;
    throw new DepotError('FILE_EXISTS', taken, { path });
  }
  const { imageId, fileBytes } = await convertImage(source, {
    ...options,
    ...(signing && { hashName: signing.hashName }),
    beforeVisible: (written) => placeSignature(written, signing),
  });
  const signature = signing && signatureOf(path);
  return { path, signature, status: 'converted', imageId, fileBytes };
}

async function placeSignature(
  { path, fileHash }: WrittenAci,
  signing: ConvertSigning | undefined,
): Promise<void> {
  const signature = signatureOf(path);
  if (signing === undefined) {
    // One that is there was made for other bytes.
    await rm(signature, { force: true });
    return;
  }
  const { key, hashName, now } = signing;
  const packet = await signHashed(key, fileHash, hashName, now());
  await writeFileAtomically(signature, await armorSignature(packet));
}

function signatureOf(path: string): string {
  return join(dirname(path), `${basename(path)}.asc`);
}

/** @throws DepotError `FILE_EXISTS`: the file is no image */
async function identifyThere(path: string): Promise<IdentifiedAci | undefined> {
  try {
    return await identifyAci(path);
  } catch (error) {
    if (!(error instanceof DepotError)) throw error;
    if (error.code === 'NOT_FOUND') return undefined;
    if (error.code !== 'ACI_INVALID') throw error;
    throw new DepotError(
      'FILE_EXISTS',
      `${path} exists and is no ACI: move it away`,
      { path },
      { cause: error },
    );
  }
}

/** The manifest tells reference, platform and digest of an image; the compression is to be seen. */
function isOf({ manifest, compression }: IdentifiedAci, source: ImageSource, options: ConvertInto): boolean {
  return compression === (options.compression ?? 'gzip') && isDeepStrictEqual(manifest, manifestOf(source));
}

function manifestOf(source: ImageSource) {
  const bytes = imageManifest(source, parseImageConfig(source.config), () => undefined);
  return readImageManifest(bytes).manifest;
}

async function alreadyThere(path: string, signing: ConvertSigning | undefined): Promise<ConvertedImage> {
  const hash = createHash('sha512');
  const visitor = {
    bytes: (chunk: Uint8Array) => {
      hash.update(chunk);
    },
    event: () => undefined,
  };
  // Nothing is kept of it, and the conversion that made it had limits of its own.
  const { fileBytes } = await readAci(path, visitor, {
    entries: Infinity,
    nameBytes: Infinity,
    tarBytes: Infinity,
  });
  const image = { path, status: 'already there', imageId: imageIdOf(hash.digest('hex')), fileBytes } as const;
  if (signing === undefined) return { ...image, signature: undefined };
  const signed = await signFile(
    { ...signing, force: false, dryRun: false },
    { path, ending: '.asc', digest: false },
  );
  if (signed.code !== undefined) throw new DepotError(signed.code, signed.reason, { path });
  return { ...image, signature: signed.signature };
}
