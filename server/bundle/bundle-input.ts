/** Where bundles are read from: a file, a device, a pipe, or the parts of a split one in their order. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { DepotError, fileError, isMissing } from '../errors.js';
import { digestOf } from '../oci/digest.js';
import { type Certificate, parseCertificates } from '../openpgp/certificate.js';
import { parseContents } from './contents.js';
import type { EarlierBundle } from './plan-bundle.js';
import { openBundle } from './read-bundle.js';

const PIECE_BYTES = 1024 * 1024;
const FIRST_PART = /\.001$/;

/**
 * Reads a bundle from the disk. `path.001` is followed by `path.002` and so on, and is also found by `path` alone.
 *
 * @param paths - one, or all parts in their order
 * @throws DepotError, while it is read, `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function* readBundleFiles(paths: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const path of paths) {
    const first = (await exists(path)) ? path : `${path}.001`;
    if (first !== path && !(await exists(first)))
      throw new DepotError('NOT_FOUND', `${path} does not exist`, { path });
    yield* readPart(first);
    if (paths.length > 1 || !FIRST_PART.test(first)) continue;
    for (let part = 2; await exists(partPath(first, part)); part += 1) yield* readPart(partPath(first, part));
  }
}

function partPath(first: string, part: number): string {
  return first.replace(FIRST_PART, `.${String(part).padStart(3, '0')}`);
}

async function* readPart(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: PIECE_BYTES });
  } catch (error) {
    throw fileError(error, path);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw fileError(error, path);
  }
}

/**
 * Reads what a bundle has that a difference is to rest on. It is not checked: a difference that rests on something else than is
 * there is refused when it is loaded.
 *
 * @param path - a bundle, or its bundle.json alone
 * @throws DepotError `BUNDLE_INVALID`, `NOT_FOUND`, `ACCESS_DENIED`
 */
export async function readEarlierBundle(path: string): Promise<EarlierBundle> {
  if (await isJson(path)) {
    const bytes = await readFile(path);
    const { base, files } = parseContents(bytes);
    const bundle = digestOf('sha256', createHash('sha256').update(bytes).digest('hex'));
    return { bundle, files: [...files, ...(base?.files ?? [])] };
  }
  const { contents, digest, close } = await openBundle({
    chunks: readBundleFiles([path]),
    keyring: [],
    now: new Date(),
  });
  await close();
  return { bundle: digest, files: [...contents.files, ...(contents.base?.files ?? [])] };
}

/** A tar begins with the name of its first file. */
async function isJson(path: string): Promise<boolean> {
  if (!(await exists(path))) return false;
  for await (const chunk of createReadStream(path, { end: 0 })) return Buffer.from(chunk).toString() === '{';
  return false;
}

/**
 * Finds a certificate by its fingerprint in a bundle, whose bytes are read no further than to it.
 *
 * @param fingerprint - 40 upper-case hex digits
 * @throws DepotError `KEY_MISSING`: it is not there; `BUNDLE_INVALID`
 */
export async function findCertificate(paths: readonly string[], fingerprint: string): Promise<Certificate> {
  const bundle = await openBundle({ chunks: readBundleFiles(paths), keyring: [], now: new Date() });
  try {
    for await (const { file, body } of bundle.files()) {
      if (file.place.kind !== 'key' && file.place.kind !== 'list') break;
      if (file.place.kind !== 'key' || file.place.fingerprint !== fingerprint) continue;
      const parts: Uint8Array[] = [];
      for await (const part of body) parts.push(part);
      const [certificate] = await parseCertificates(Buffer.concat(parts), file.path);
      if (certificate?.fingerprint === fingerprint) return certificate;
    }
  } finally {
    await bundle.close();
  }
  throw new DepotError('KEY_MISSING', `${paths.join(' ')} has no certificate ${fingerprint}`, {
    fingerprint,
  });
}
