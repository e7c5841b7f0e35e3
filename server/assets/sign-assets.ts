/** Signing a folder, or the files that were named: ACIs, and on request what machines boot and checksum lists. */
import { dirname } from 'node:path';
import { removeStaleTemporaries } from '../disk/atomic-file.js';
import { DepotError } from '../errors.js';
import { hashFile } from '../stream/hash-file.js';
import type { AssetsFolder } from './asset.js';
import { findFiles } from './find-files.js';
import { inParallel } from './in-parallel.js';
import type { Progress } from './progress.js';
import { failureOf, type SignedFile, type Signing, signFile, untilUnchanged } from './sign-file.js';
import { signFolder } from './sign-folder.js';
import { isYounger, type Look, lookAt, type SignMemory } from './sign-memory.js';
import { planTask, type SignTask } from './sign-task.js';

/** What to sign, and how. */
export interface SignRequest extends Omit<Signing, 'onBytes' | 'pause'> {
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
  /** Where the same files are signed again and again. */
  readonly round?: SignRound | undefined;
}

/** One of many runs over the same files. */
export interface SignRound {
  /** What the runs before have found; what is in it is neither read nor reported again. */
  readonly memory: SignMemory;
  /** A file that changed less than so long ago is left for another run, milliseconds. */
  readonly quietMs: number;
  /** Whether something came up; what seems to be signed is then left for another run. */
  readonly isUrgent: () => boolean;
  /** As in {@link Signing}, for reading what seems to be signed. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** A file of a run: what is to be done, and what came of it. */
interface Job extends SignTask {
  readonly look: Look;
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
  const open = jobs.filter(({ result }) => result === undefined);
  request.progress?.start({ files: open.length, bytes: open.reduce((sum, job) => sum + job.sizeBytes, 0) });
  await inParallel(inOrder(request, open), request.jobs, (job) => doJob(run, job));
  const folders = request.boot ? byFolder(jobs) : [];
  await inParallel(folders, request.jobs, async ([folder, files]) => {
    const result = await signFolder(run.signing, folder, files, (job) => doJob(run, job));
    if (result !== undefined) report(run, result);
  });
  return [...run.results.values()];
}

function report(run: Run, result: SignedFile): void {
  run.results.set(result.path, result);
  run.request.onFile(result);
}

async function planJobs(run: Run): Promise<Job[]> {
  const { assets, paths, boot, dryRun, round } = run.request;
  const { files, failures } = await findFiles(assets, paths);
  for (const { path, error } of failures) report(run, { path, ...failureOf(error, path) });
  const folders = new Set(files.map(({ path }) => dirname(path)));
  if (!dryRun) for (const folder of folders) await removeStaleTemporaries(folder).catch(() => 0);
  const jobs: Job[] = [];
  for (const file of files) {
    const task = await planTask(file, boot);
    if (task === undefined) continue;
    const { path, ending, problem } = task;
    const look = await lookAt(path, ending && path + ending);
    const job = { ...task, look, result: problem && { path, ...failureOf(problem, path) } };
    jobs.push(job);
    if (job.result !== undefined) report(run, job.result);
    else if (round !== undefined) settle(run, job, round);
  }
  round?.memory.keepOnly(new Set(jobs.map(({ path }) => path)));
  return jobs;
}

/** Decides a job without reading, if that can be. */
function settle(run: Run, job: Job, { memory, quietMs }: SignRound): void {
  const { path, look } = job;
  job.result = memory.recall(path, look);
  if (job.result !== undefined && job.ending !== undefined) run.results.set(path, job.result);
  if (job.result !== undefined || look.file === undefined) return;
  const ageMs = Date.now() - look.file.ctimeMs;
  if (ageMs < 0 || ageMs >= quietMs) return;
  job.result = waiting(path, 'changed a moment ago');
  report(run, job.result);
}

function waiting(path: string, reason: string): SignedFile {
  return { path, action: 'waiting', reason };
}

/** What has no signature comes before what only has to be looked through again. */
function inOrder({ round }: SignRequest, jobs: readonly Job[]): readonly Job[] {
  if (round === undefined) return jobs;
  const seemSigned = jobs.filter(({ look }) => isYounger(look));
  return [...jobs.filter(({ look }) => !isYounger(look)), ...seemSigned];
}

async function doJob(run: Run, job: Job): Promise<void> {
  const { round, boot, signal } = run.request;
  const { path, ending, named, look } = job;
  if (signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted');
  const seemsSigned = isYounger(look);
  if (round?.isUrgent() === true && seemsSigned) return report(run, waiting(path, 'not read yet'));
  const signing = seemsSigned ? { ...run.signing, pause: round?.pause } : run.signing;
  const result =
    ending === undefined
      ? await digestFile(signing, path)
      : await signFile(signing, { path, ending, digest: boot });
  job.result = result;
  await remember(round, job, result);
  const gone = result.code === 'NOT_FOUND' && !named;
  if ((ending !== undefined || result.action === 'failed') && !gone) report(run, result);
}

async function remember(
  round: SignRound | undefined,
  { path, look }: Job,
  result: SignedFile,
): Promise<void> {
  if (round === undefined) return;
  const { signature } = await lookAt(path, result.signature);
  round.memory.note({ file: result.content?.version ?? look.file, signature }, result);
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
    if (job.named) continue;
    const folder = dirname(job.path);
    const files = folders.get(folder);
    if (files === undefined) folders.set(folder, [job]);
    else files.push(job);
  }
  return folders;
}
