/** Keys that this depot signed with before: what they made is still its own to replace. */
import { readdir } from 'node:fs/promises';
import { fileError } from '../errors.js';
import { isRetiredName } from './key-folder.js';

const FINGERPRINT = /[0-9A-F]{40}/;

/**
 * The fingerprints of retired signing keys, 40 upper-case hex digits each.
 *
 * @param dir - the folder of keys
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`
 */
export async function retiredFingerprints(dir: string): Promise<ReadonlySet<string>> {
  try {
    const names = await readdir(dir);
    return new Set(names.filter(isRetiredName).flatMap((name) => FINGERPRINT.exec(name)?.[0] ?? []));
  } catch (error) {
    throw fileError(error, dir);
  }
}
