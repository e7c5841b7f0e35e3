/** The folders in which rkt looks for the keys that it trusts: `root.d/<fpr>`, or `prefix.d/<prefix>/<fpr>`. */
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { makeFolder } from '../disk/folders.js';
import { DepotError, fileError } from '../errors.js';
import type { Certificate } from './certificate.js';

/** An AC Identifier (appc/spec, spec/types.md): no scheme, no port, no star, and no two marks side by side. */
const PREFIX = /^[a-z0-9]+(?:[-._~/][a-z0-9]+)*$/;

/**
 * Where a certificate lies below rkt's `trustedkeys`.
 *
 * @param prefix - the image names it is trusted for, such as `quay.io/coreos`; every image without it
 * @throws DepotError `USAGE`: the prefix is none
 */
export function rktPath(fingerprint: string, prefix?: string): string {
  const name = fingerprint.toLowerCase();
  if (prefix === undefined) return join('root.d', name);
  if (!PREFIX.test(prefix)) {
    throw new DepotError(
      'USAGE',
      `--prefix: expected the start of image names such as quay.io/coreos (no scheme, port or *), got ${prefix}`,
    );
  }
  return join('prefix.d', prefix, name);
}

/**
 * Writes a certificate where rkt looks for it.
 *
 * @param root - the `trustedkeys` folder, or one that is copied there later
 * @returns the file
 * @throws DepotError `USAGE`, `ACCESS_DENIED`, `DISK_FULL`
 */
export async function writeRktTree(root: string, certificate: Certificate, prefix?: string): Promise<string> {
  const path = join(root, rktPath(certificate.fingerprint, prefix));
  // rkt stumbles over any other file in these folders, so the bytes gather above them.
  const gathered = join(root, `${certificate.fingerprint}.asc`);
  try {
    await makeFolder(dirname(path));
    await writeFileAtomically(gathered, certificate.armored);
    await rename(gathered, path);
  } catch (error) {
    throw fileError(error, path);
  }
  return path;
}
