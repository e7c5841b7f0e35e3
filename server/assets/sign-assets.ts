/** Signing a folder, or the files that were named: ACIs, and on request what machines boot and checksum lists. */
import { basename, dirname } from 'node:path';
import { removeStaleTemporaries } from '../disk/atomic-file.js';
import { sameVersion } from '../disk/file-version.js';
import { DepotError } from '../errors.js';
import { hashFile, versionOf } from '../stream/hash-file.js';
import type { AssetsFolder } from './asset.js';
import { findFiles } from './find-files.js';
import { inParallel } from './in-parallel.js';
import type { Progress } from './progress.js';
import { signChecksums } from './sign-checksums.js';
import { failureOf, type SignedFile, type Signing, signFile, untilUnchanged } from './sign-file.js';
import { planTask, type SignTask } from './sign-task.js';

/** What to sign, and how. */
export interface SignRequest extends Omit<Signing, 'onBytes'> {
  readonly assets: AssetsFolder;
  /** Files and folders; none: the assets folder. */
  readonly paths: readonly string[];
  /** Whether to sign boot files too, and to keep a signed checksum list in every folder. */
  readonly boot: boolean;
  /** Files that are worked on at once. */
  readonly jobs: number;
  /** Told of each file when it is done; again if it was replaced and had to be done again. */
  readonly onFile: (file: SignedFile) => void;
  readonly progress?: Progress | undefined;
}

/** A file of a run: what is to be done, and what came of it. */
interface Job {
  readonly task: SignTask;
  result: SignedFile | undefined;
}

/** One run over many files. */
interface Run {
  readonly request: SignRequest;
  readonly signing: Signing;
  /** What was reported last, by path. */
  readonly results: Map<string, SignedFile>;
}

/**
 * Gives every file that should have a signature a good one. A file that fails does not stop the others.
 *
 * @returns the last word on each file
 * @throws DepotError `INTERRUPTED`; everything else is a result
 */
export async function signAssets(request: SignRequest): Promise<readonly SignedFile[]> {
  const onBytes = (bytes: number): void => request.progress?.advance(bytes);
  const run: Run = { request, signing: { ...request, onBytes }, results: new Map() };
  const jobs = await planJobs(run);
  const bytes = jobs.reduce((sum, { task }) => sum + task.sizeBytes, 0);
  request.progress?.start({ files: jobs.length, bytes });
  await inParallel(jobs, request.jobs, (job) => signJob(run, job));
  if (request.boot) {
    await inParallel(byFolder(jobs), request.jobs, ([folder, files]) => listFolder(run, folder, files));
  }
  return [...run.results.values()];
}

function report(run: Run, result: SignedFile): void {
  run.results.set(result.path, result);
  run.request.onFile(result);
}

async function planJobs(run: Run): Promise<Job[]> {
  const { assets, paths, boot, dryRun } = run.request;
  const { files, failures } = await findFiles(assets, paths);
  for (const { path, error } of failures) report(run, { path, ...failureOf(error, path) });
  const folders = new Set(files.map(({ path }) => dirname(path)));
  if (!dryRun) for (const folder of folders) await removeStaleTemporaries(folder).catch(() => 0);
  const jobs: Job[] = [];
  for (const file of files) {
    try {
      const task = await planTask(file, boot);
      if (task !== undefined) jobs.push({ task, result: undefined });
    } catch (error) {
      report(run, { path: file.path, ...failureOf(error, file.path) });
    }
  }
  return jobs;
}

async function signJob(run: Run, job: Job): Promise<void> {
  const { path, ending, named } = job.task;
  if (run.signing.signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted');
  job.result =
    ending === undefined
      ? await digestFile(run.signing, path)
      : await signFile(run.signing, { path, ending, digest: run.request.boot });
  const gone = job.result.code === 'NOT_FOUND' && !named;
  const said = ending !== undefined || job.result.action === 'failed';
  if (said && !gone) report(run, job.result);
}

async function digestFile(signing: Signing, path: string): Promise<SignedFile> {
  try {
    const { hashes, version } = await untilUnchanged(() => hashFile(path, ['sha256'], signing));
    const sha256 = hashes.get('sha256')?.digest('hex');
    return { path, action: 'good', reason: '', content: { version, sha256 } };
  } catch (error) {
    return { path, ...failureOf(error, path) };
  }
}

/** The jobs whose files belong in a checksum list, by folder. A file that was named is a matter of its own. */
function byFolder(jobs: readonly Job[]): Map<string, Job[]> {
  const folders = new Map<string, Job[]>();
  for (const job of jobs) {
    if (job.task.named) continue;
    const folder = dirname(job.task.path);
    const files = folders.get(folder);
    if (files === undefined) folders.set(folder, [job]);
    else files.push(job);
  }
  return folders;
}

async function listFolder(run: Run, folder: string, jobs: readonly Job[]): Promise<void> {
  const path = `${folder}/SHA256SUMS`;
  let first = true;
  try {
    const result = await untilUnchanged(async () => {
      if (!first) await signChangedAgain(run, jobs);
      first = false;
      return await signChecksums(run.signing, folder, jobs.flatMap(listedFile));
    });
    if (result !== undefined) report(run, result);
  } catch (error) {
    report(run, { path, ...failureOf(error, path) });
  }
}

async function signChangedAgain(run: Run, jobs: readonly Job[]): Promise<void> {
  for (const job of jobs) {
    const seen = job.result?.content?.version;
    const now = await versionOf(job.task.path).catch(() => undefined);
    if (seen === undefined || now === undefined || !sameVersion(seen, now)) await signJob(run, job);
  }
}

/** What was refused is not vouched for, and what vanished needs no line; a file that failed is missed. */
function listedFile({ task: { path }, result }: Job) {
  if (result?.action === 'refused' || result?.code === 'NOT_FOUND') return [];
  const { version, sha256 } = result?.content ?? {};
  if (version === undefined || sha256 === undefined) {
    throw new DepotError('PARTIAL', `not updated: ${path} could not be read`);
  }
  return [{ path, name: basename(path), version, sha256 }];
}
