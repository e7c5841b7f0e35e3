/** Boot files, fetched into the assets: each is right before it can be seen, and its signature lies beside it. */
import { createHash } from 'node:crypto';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inParallel } from '../assets/in-parallel.js';
import { syncFolder, writeFileAtomically } from '../disk/atomic-file.js';
import { makeFolder } from '../disk/folders.js';
import { DepotError, fileError } from '../errors.js';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { readKeyring } from '../openpgp/keyring.js';
import { type DetachedSignature, parseDetachedSignature, verifyHashed } from '../openpgp/verify.js';
import { TIMING, type Timing } from '../registry/upstream/timing.js';
import { hashFile } from '../stream/hash-file.js';
import { type BootFile, parseBootList, type WantedSignature } from './boot-list.js';
import type { CopyProgress } from './copy-image.js';
import type { MirrorWatch } from './mirror.js';
import { MIRROR_TIMING } from './origin.js';
import { PartFiles } from './part-files.js';
import type { ListText } from './run-mirror.js';
import { plain, Web } from './web-file.js';

/** What is to be fetched. */
export interface FileJob {
  /** By the path of each. */
  readonly lists: readonly ListText[];
  /** The assets folder. */
  readonly folder: string;
  /** Whether nothing is written. */
  readonly dryRun: boolean;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly signal: AbortSignal;
  readonly watch: Pick<MirrorWatch, 'planned' | 'begin'> & { readonly ended: (result: MirroredFile) => void };
  readonly timing?: Partial<Timing> | undefined;
}

/** What came of a file. */
export interface MirroredFile {
  /** Without its query. */
  readonly source: string;
  /** Below the assets folder. */
  readonly target: string;
  readonly done?: { readonly status: 'new' | 'unchanged'; readonly bytes: number };
  readonly error?: DepotError;
}

const FILES_AT_ONCE = 4;
const MAX_SIGNATURE_BYTES = 1024 * 1024;

/**
 * Fetches all files of some lists. One that fails does not stop the others.
 *
 * @throws DepotError `USAGE`: a list that is none, and nothing was fetched; `INTERRUPTED`
 */
export async function mirrorFiles(job: FileJob): Promise<MirroredFile[]> {
  const files = job.lists.flatMap(({ name, text }) => parseBootList(text, name));
  if (files.length === 0) throw new DepotError('USAGE', '--files: the list names no files');
  const web = new Web({ ...job, timing: { ...TIMING, ...MIRROR_TIMING, ...job.timing } });
  const results: MirroredFile[] = [];
  job.watch.planned(files.length);
  try {
    await inParallel(files.entries(), FILES_AT_ONCE, async ([index, file]) => {
      if (job.signal.aborted) return;
      const result = await attempt(file, () => new Fetching(file, job, web).run());
      results[index] = result;
      job.watch.ended(result);
    });
  } finally {
    await web.close();
  }
  if (job.signal.aborted) throw new DepotError('INTERRUPTED', 'interrupted: the next run goes on from here');
  return results;
}

async function attempt(
  { url, path }: BootFile,
  work: () => Promise<MirroredFile['done'] & {}>,
): Promise<MirroredFile> {
  try {
    return { source: plain(url), target: path, done: await work() };
  } catch (error) {
    return { source: plain(url), target: path, error: fileError(error, path) };
  }
}

/** A signature that was fetched, and what it is checked against. */
interface Proof {
  readonly bytes: Buffer;
  readonly signature: DetachedSignature;
  readonly wanted: WantedSignature;
}

/** One file on its way. */
class Fetching {
  readonly #file: BootFile;
  readonly #job: FileJob;
  readonly #web: Web;
  readonly #target: string;
  readonly #parts: PartFiles;

  constructor(file: BootFile, job: FileJob, web: Web) {
    this.#file = file;
    this.#job = job;
    this.#web = web;
    this.#target = join(job.folder, file.path);
    // Beside the file: any folder of the assets may be a disk of its own.
    this.#parts = new PartFiles(join(dirname(this.#target), '.bootdepot'));
  }

  async run(): Promise<{ readonly status: 'new' | 'unchanged'; readonly bytes: number }> {
    const { signature } = this.#file;
    const proof = signature === undefined ? undefined : await this.#proofOf(signature);
    if (await this.#isThere(proof)) return { status: 'unchanged', bytes: 0 };
    if (this.#job.dryRun) return { status: 'new', bytes: 0 };
    await makeFolder(dirname(this.#target));
    try {
      const path = await this.#bring(proof);
      const { size } = await stat(path);
      await this.#publish(path, proof);
      return { status: 'new', bytes: size };
    } finally {
      await this.#parts.removeIfEmpty();
    }
  }

  /** @returns the path of a file that is right by all that is known */
  async #bring(proof: Proof | undefined): Promise<string> {
    const { digest, path: name } = this.#file;
    const progress = this.#job.watch.begin(name);
    if (digest === undefined) return this.#bySignature(proof, progress);
    const path = await this.#byDigest(digest, progress);
    if (proof === undefined) return path;
    try {
      await expectGood(path, proof);
      return path;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async #proofOf(wanted: WantedSignature): Promise<Proof> {
    const bytes = await this.#web.short(wanted.url, MAX_SIGNATURE_BYTES);
    return { bytes, signature: await parseDetachedSignature(bytes), wanted };
  }

  /** Whether the file is here and right, and its signature is the one that its server has. */
  async #isThere(proof: Proof | undefined): Promise<boolean> {
    if ((await stat(this.#target).catch(() => undefined)) === undefined) return false;
    const { digest } = this.#file;
    if (digest !== undefined && (await digestOfFile(this.#target, digest)) !== digest) return false;
    if (proof === undefined) return true;
    const kept = await readFile(this.#signaturePath(proof)).catch(() => undefined);
    if (kept === undefined || !kept.equals(proof.bytes)) return false;
    return digest !== undefined || (await isGood(this.#target, proof)).state === 'good';
  }

  #byDigest(digest: Digest, progress: CopyProgress): Promise<string> {
    const wrong = () =>
      new DepotError('DIGEST_INVALID', `${plain(this.#file.url)} is not the file with the digest ${digest}`, {
        digest,
      });
    return this.#parts.bring(digest, this.#order(progress), wrong);
  }

  /** What was here of it may be of another version: then all of it comes again. */
  async #bySignature(proof: Proof | undefined, progress: CopyProgress): Promise<string> {
    const name = createHash('sha256').update(plain(this.#file.url)).digest('hex');
    const resumed = await this.#parts.sizeOf(name);
    const order = { ...this.#order(progress), name };
    for (const fresh of resumed > 0 ? [false, true] : [true]) {
      const path = await this.#parts.bringUnchecked(order, fresh);
      if (proof === undefined)
        throw new DepotError('USAGE', `${this.#file.path} has neither checksum nor signature`);
      if ((await isGood(path, proof)).state === 'good') return path;
      if (!fresh) continue;
      await expectGood(path, proof).finally(() => rm(path, { force: true }));
    }
    throw new DepotError('SIGNATURE_INVALID', `${plain(this.#file.url)} has no good signature`);
  }

  #order(progress: CopyProgress) {
    let told = false;
    let here = 0;
    return {
      bytesFrom: (offset: number) =>
        this.#web.read(this.#file.url, offset, (size) => {
          if (!told) progress.missing(size);
          told = true;
        }),
      onHere: (bytes: number) => {
        progress.advance(Math.max(0, bytes - here));
        here = Math.max(here, bytes);
      },
    };
  }

  /** Whoever fetches both in this moment gets a pair that does not verify, and fetches them again. */
  async #publish(path: string, proof: Proof | undefined): Promise<void> {
    try {
      if (proof !== undefined) await writeFileAtomically(this.#signaturePath(proof), proof.bytes);
      await rename(path, this.#target);
      await syncFolder(dirname(this.#target));
    } catch (error) {
      throw fileError(error, this.#target);
    }
  }

  #signaturePath({ signature, wanted }: Proof): string {
    const [ending] = /\.(?:asc|sig|gpg)$/.exec(wanted.url.pathname) ?? [];
    return `${this.#target}${ending ?? (signature.armor === undefined ? '.sig' : '.asc')}`;
  }
}

async function digestOfFile(path: string, like: Digest): Promise<string> {
  const algorithm = algorithmOf(like);
  const { hashes } = await hashFile(path, [algorithm]);
  return `${algorithm}:${hashes.get(algorithm)?.digest('hex') ?? hexOf(like)}`;
}

async function isGood(path: string, { signature, wanted }: Proof) {
  const { hashes } = await hashFile(path, [signature.hashName]);
  const hash = hashes.get(signature.hashName);
  if (hash === undefined) throw new DepotError('IO_FAILED', `${path} was not hashed`);
  return verifyHashed(signature, hash, await readKeyring(wanted.keyring), new Date());
}

async function expectGood(path: string, proof: Proof): Promise<void> {
  const { state, reason } = await isGood(path, proof);
  if (state === 'good') return;
  throw new DepotError(
    'SIGNATURE_INVALID',
    `the signature ${plain(proof.wanted.url)} is ${state}: ${reason}`,
  );
}
