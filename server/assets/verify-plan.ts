/** What there is to verify: each file once, with everything beside it that vouches for it. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isInside } from '../disk/walk.js';
import { fileError } from '../errors.js';
import { isBootFile } from './boot-file.js';
import { parseChecksums, readChecksumList } from './checksums.js';
import type { FoundFile } from './find-files.js';
import {
  CHECKSUMS_NAME,
  isAciName,
  isChecksumsName,
  signatureEndingsOf,
  signedNameOf,
} from './signature-name.js';
import type { VerifiedFile, VerifyTarget } from './verify-file.js';

/** What to read, and what is known without reading. */
export interface VerifyPlan {
  readonly targets: readonly VerifyTarget[];
  readonly results: readonly VerifiedFile[];
}

/** Targets under construction, by absolute path. */
type Targets = Map<string, VerifyTarget>;

/**
 * Finds the files that something vouches for, or should. A signature stands for its file; one without a file counts
 * only if the user named it.
 *
 * @param boot - whether boot files need a signature, folders a list, and every file a place in one of the two
 */
export async function planVerification(files: readonly FoundFile[], boot: boolean): Promise<VerifyPlan> {
  const present = new Set(files.map(({ path }) => resolve(path)));
  const targets: Targets = new Map();
  for (const { path, named } of files) {
    const subject = signedNameOf(path) ?? path;
    const key = resolve(subject);
    if (!named && !present.has(key)) continue;
    const needs = await needsOf(subject, named, boot);
    const endings = signatureEndingsOf(basename(subject));
    const signatures = endings.map((ending) => subject + ending);
    const there = named ? signatures : signatures.filter((signature) => present.has(resolve(signature)));
    if (named || !targets.has(key)) targets.set(key, { path: subject, signatures: there, needs });
  }
  const results: VerifiedFile[] = boot ? missingLists(files, present) : [];
  for (const [key, list] of [...targets].filter(([, { path }]) => isChecksumsName(path))) {
    const broken = await addListed(targets, list.path);
    if (broken === undefined) continue;
    targets.delete(key);
    results.push(broken);
  }
  return { targets: [...targets.values()], results };
}

async function needsOf(path: string, named: boolean, boot: boolean): Promise<VerifyTarget['needs']> {
  if (isAciName(path)) return 'signature';
  if (!boot) return named ? 'witness' : 'nothing';
  // A file that cannot be read is said so when it is its turn.
  const booted = isChecksumsName(path) || (await isBootFile(path).catch(() => false));
  return booted ? 'signature' : 'witness';
}

function missingLists(files: readonly FoundFile[], present: ReadonlySet<string>): VerifiedFile[] {
  const folders = new Set(files.filter(({ named }) => !named).map(({ path }) => dirname(path)));
  return [...folders]
    .map((folder) => join(folder, CHECKSUMS_NAME))
    .filter((path) => !present.has(resolve(path)))
    .map((path) => ({ path, state: 'missing', reason: 'does not exist', witnesses: [] }));
}

/**
 * Notes the digests of a list with its files. Lines for files that are not here are passed over: nobody needs to
 * mirror everything, and a file that is not here harms nobody.
 *
 * @returns the result for the list itself if it is none
 */
async function addListed(targets: Targets, list: string): Promise<VerifiedFile | undefined> {
  const folder = dirname(list);
  try {
    for (const { name, sha256 } of parseChecksums((await readChecksumList(list)) ?? '', list)) {
      const path = join(folder, name);
      const key = resolve(path);
      if (!isInside(resolve(folder), key)) continue;
      const known = targets.get(key) ?? (await listedOnly(path));
      if (known !== undefined) targets.set(key, { ...known, listed: { list, sha256 } });
    }
    return undefined;
  } catch (error) {
    const { code, message } = fileError(error, list);
    return {
      path: list,
      state: code === 'CHECK_FAILED' ? 'bad' : 'failed',
      reason: message,
      witnesses: [],
      code,
    };
  }
}

async function listedOnly(path: string): Promise<VerifyTarget | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() ? { path, signatures: [], needs: 'nothing' } : undefined;
}
