/**
 * The checksum list of a folder and its signature. The list is rewritten only when it would say something else, and a
 * list that somebody else has signed is left alone: mirrors of distributions bring theirs with them.
 */
import { join } from 'node:path';
import { writeFileAtomically } from '../disk/atomic-file.js';
import type { FileVersion } from '../disk/file-version.js';
import { DepotError } from '../errors.js';
import { expectVersion } from '../stream/hash-file.js';
import { type Checksum, formatChecksums, parseChecksums, readChecksumList } from './checksums.js';
import {
  belongsToOthers,
  failureOf,
  type SignedFile,
  type Signing,
  type SignTarget,
  signFile,
} from './sign-file.js';
import { readSignatureFile } from './signature-file.js';
import { CHECKSUMS_NAME } from './signature-name.js';

const LIST_CHANGED = 'the list changed';

/** A file that goes into the list. */
export interface ListedFile extends Checksum {
  readonly path: string;
  readonly version: FileVersion;
}

/**
 * Brings `SHA256SUMS` and `SHA256SUMS.gpg` of a folder up to date.
 *
 * @param files - every file of the folder that belongs in the list, hashed
 * @throws DepotError `FILE_CHANGED`: one of them is not what was hashed any more; `INTERRUPTED`
 */
export async function signChecksums(
  signing: Signing,
  folder: string,
  files: readonly ListedFile[],
): Promise<SignedFile> {
  const path = join(folder, CHECKSUMS_NAME);
  const target: SignTarget = { path, ending: '.gpg', digest: false };
  const signature = path + target.ending;
  for (const file of files) await expectVersion(file.path, file.version);
  try {
    const existing = await readSignatureFile(signature);
    const others = existing !== undefined && belongsToOthers(signing, target, existing);
    const written = !others && (await updateList(signing, path, files, existing === undefined));
    if (written && signing.dryRun) {
      const [action, reason] = existing ? (['re-signed', LIST_CHANGED] as const) : (['signed', ''] as const);
      return { path, signature, action, reason };
    }
    const outcome = await signFile(signing, target);
    return written && outcome.action === 're-signed' ? { ...outcome, reason: LIST_CHANGED } : outcome;
  } catch (error) {
    return { path, signature, ...failureOf(error, path) };
  }
}

/**
 * @param unsigned - whether the list that is there, if one is, has no signature
 * @returns whether the list had to be written (or would have to, in a dry run)
 */
async function updateList(
  { dryRun, force }: Signing,
  path: string,
  files: readonly ListedFile[],
  unsigned: boolean,
): Promise<boolean> {
  const wanted = formatChecksums(files);
  const present = await readChecksumList(path);
  if (present === wanted) return false;
  if (present !== undefined && unsigned && !force) refuseContradiction(path, present, files);
  if (!dryRun) await writeFileAtomically(path, wanted);
  return true;
}

/** Where an unsigned list came from nobody knows; if it disagrees with the files, one of the two is broken. */
function refuseContradiction(path: string, list: string, files: readonly ListedFile[]): void {
  const digests = new Map(files.map(({ name, sha256 }) => [name, sha256]));
  for (const { name, sha256 } of parseChecksums(list, path)) {
    const actual = digests.get(name.replace(/^\.\//, ''));
    if (actual === undefined || actual === sha256) continue;
    throw new DepotError(
      'CHECK_FAILED',
      `${path} is not signed and gives another digest for ${name}: check that file, then remove the list or add --force`,
      { path, name },
    );
  }
}
