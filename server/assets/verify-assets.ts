/** Checking every signature of a folder, or of the files that were named. */
import { stat } from 'node:fs/promises';
import { DepotError } from '../errors.js';
import type { AssetsFolder } from './asset.js';
import { findFiles } from './find-files.js';
import { inParallelInOrder } from './in-parallel.js';
import type { Progress } from './progress.js';
import { type VerifiedFile, type Verifying, type VerifyTarget, verifyFile } from './verify-file.js';
import { planVerification } from './verify-plan.js';

/** What to check, and how. */
export interface VerifyRequest extends Omit<Verifying, 'onBytes'> {
  readonly assets: AssetsFolder;
  /** Files and folders; none: the assets folder. A signature stands for the file it belongs to. */
  readonly paths: readonly string[];
  /** Whether boot files need a signature too, and folders a signed checksum list with all their files. */
  readonly boot: boolean;
  /** Files that are read at once. */
  readonly jobs: number;
  /** Told of each file: first of those that cannot be looked for, then of the others in the order they were found. */
  readonly onFile: (file: VerifiedFile) => void;
  readonly progress?: Progress | undefined;
}

/**
 * Checks every file that has a signature or needs one, each once.
 *
 * @returns what was found, in the order it was told
 * @throws DepotError `INTERRUPTED`; everything else is a result
 */
export async function verifyAssets(request: VerifyRequest): Promise<readonly VerifiedFile[]> {
  const { progress } = request;
  const done: VerifiedFile[] = [];
  const report = (file: VerifiedFile): void => {
    done.push(file);
    request.onFile(file);
  };
  const { files, failures } = await findFiles(request.assets, request.paths);
  for (const { path, error } of failures) {
    report({ path, state: 'failed', reason: error.message, witnesses: [], code: error.code });
  }
  const { targets, results } = await planVerification(files, request.boot);
  for (const result of results) report(result);
  if (progress !== undefined) progress.start({ files: targets.length, bytes: await sizeOf(targets) });
  const verifying: Verifying = { ...request, onBytes: (bytes) => progress?.advance(bytes) };
  const verifyOne = async (target: VerifyTarget) => {
    if (request.signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted');
    return { result: await verifyFile(verifying, target) };
  };
  await inParallelInOrder(targets, request.jobs, verifyOne, ({ result }) => {
    if (result !== undefined) report(result);
  });
  return done;
}

/** Bytes that will be read, near enough for a bar: what nothing vouches for is not. */
async function sizeOf(targets: readonly VerifyTarget[]): Promise<number> {
  let total = 0;
  for (const { path, signatures, listed } of targets) {
    if (signatures.length === 0 && listed === undefined) continue;
    total += (await stat(path).catch(() => undefined))?.size ?? 0;
  }
  return total;
}
