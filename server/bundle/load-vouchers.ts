/** Taking in what vouches for the rest: certificates, and signatures of images in the lookaside folder. */
import { link, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createPendingFile, syncFolder } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { DepotError, fileError, isMissing, systemCode } from '../errors.js';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import type { RepositoryName } from '../oci/reference.js';
import { parseCertificates } from '../openpgp/certificate.js';
import { publishCertificate } from '../openpgp/publish.js';
import { MAX_LOOKASIDE_BYTES } from './collect-files.js';
import type { BundleEntry } from './read-bundle.js';

/** Signatures of one image that are looked through for a free name. */
const MOST_SIGNATURES = 9999;

/**
 * Publishes a certificate.
 *
 * @param dir - the folder of keys
 * @returns whether anything changed
 * @throws DepotError `BUNDLE_INVALID`: it is not the one certificate that its name says; as `publishCertificate`
 */
export async function loadCertificate(
  { file, body }: BundleEntry,
  fingerprint: string,
  dir: string,
): Promise<boolean> {
  const bytes = await small(file, body);
  const [certificate, second] = await parseCertificates(bytes, file.path);
  if (certificate?.fingerprint === fingerprint && second === undefined)
    return publishCertificate(dir, certificate);
  throw new DepotError('BUNDLE_INVALID', `${file.path} does not hold the one certificate that its name says`);
}

/**
 * Adds the signature of an image to those that are here, under the next name that is free: clients ask for `signature-1`,
 * `signature-2`, … until there is none.
 *
 * @param dir - the lookaside folder
 * @returns whether it was not here
 * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function loadLookaside(
  { file, body }: BundleEntry,
  image: { readonly repository: RepositoryName; readonly digest: Digest },
  dir: string,
): Promise<boolean> {
  const bytes = await small(file, body);
  const folder = join(dir, `${image.repository}@${algorithmOf(image.digest)}=${hexOf(image.digest)}`);
  await makeDurableFolder(folder);
  for (let number = 1; number <= MOST_SIGNATURES; number += 1) {
    const path = join(folder, `signature-${number}`);
    const there = await readFile(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw fileError(error, path);
    });
    if (there?.equals(bytes)) return false;
    if (there === undefined && (await writeNew(path, bytes))) return true;
  }
  throw new DepotError('IO_FAILED', `${folder} has no room for another signature`);
}

/** @returns `false` if another process took the name meanwhile */
async function writeNew(path: string, bytes: Buffer): Promise<boolean> {
  const pending = await createPendingFile(path);
  try {
    await pending.handle.writeFile(bytes);
    await pending.settle();
    // Unlike a rename, a link never replaces a file that someone else made meanwhile.
    await link(pending.temporaryPath, path);
    await syncFolder(join(path, '..'));
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw fileError(error, path);
  } finally {
    await pending.discard();
  }
}

async function small({ path, size }: BundleEntry['file'], body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  if (size <= MAX_LOOKASIDE_BYTES) return buffer(body);
  throw new DepotError(
    'BUNDLE_INVALID',
    `${path} has ${size} bytes, expected ${MAX_LOOKASIDE_BYTES} at most`,
  );
}
