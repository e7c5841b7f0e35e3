/**
 * Makes the index of referrers fit the manifests again: of a folder that the reference registry wrote to, or that was copied
 * without it. Each push keeps the index as it goes, so mostly there is nothing to do but to look at the time of a folder.
 */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { fileError, systemCode } from '../errors.js';
import type { Algorithm, Digest } from '../oci/digest.js';
import { type Manifest, parseManifest } from '../oci/manifest.js';
import type { RepositoryName } from '../oci/reference.js';
import type { Content } from './content.js';
import type { Layout } from './layout.js';
import { listLinks, readLink } from './links.js';
import { MAX_MANIFEST_BYTES } from './manifests.js';
import { describeReferrer, type Referrers } from './referrers.js';

/** What is known of a repository. */
interface Fit {
  /** The change times of its folders of revisions; empty if they may still change unseen. */
  readonly times: string;
  /** The manifests that have been read, or are known to be in the index. */
  readonly known: Set<Digest>;
}

/** The names of the folders that get a name for each manifest. */
const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512'];

/** Repositories that are remembered; the others are looked at again. */
const MAX_REMEMBERED = 1000;

/** File systems keep time in steps: within one a second change cannot be told from the first. */
const STEP_MS = 20;

/** The fitting of one registry folder's index. */
export class ReferrersRebuild {
  readonly #layout: Layout;
  readonly #content: Content;
  readonly #referrers: Referrers;
  readonly #fits = new Map<RepositoryName, Fit>();
  readonly #open = new Map<RepositoryName, Promise<void>>();

  constructor(layout: Layout, content: Content, referrers: Referrers) {
    this.#layout = layout;
    this.#content = content;
    this.#referrers = referrers;
  }

  /**
   * Makes sure that the index of a repository has all that its manifests say. Only manifests that are new are read.
   *
   * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`: something was missing and cannot be noted
   */
  async fit(repository: RepositoryName): Promise<void> {
    const times = await this.#timesOf(repository);
    if (times === undefined || (times !== '' && this.#fits.get(repository)?.times === times)) return;
    let work = this.#open.get(repository);
    if (work === undefined) {
      work = this.#read(repository, times).finally(() => this.#open.delete(repository));
      this.#open.set(repository, work);
    }
    await work;
  }

  async #read(repository: RepositoryName, times: string): Promise<void> {
    const all = await listLinks(this.#layout.revisions(repository));
    const known =
      this.#fits.get(repository)?.known ?? new Set((await this.#noteFits(repository, times)) ? all : []);
    let complete = true;
    for (const digest of all) {
      if (known.has(digest)) continue;
      if (await this.#index(repository, digest)) known.add(digest);
      else complete = false;
    }
    this.#remember(repository, { times, known: new Set(all.filter((digest) => known.has(digest))) });
    // What has a folder and no link may get one again, and nothing above would tell.
    if (complete && times !== '') await this.#writeNote(repository, times);
  }

  /** @returns whether the manifest was here to be read */
  async #index(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const linked = await readLink(this.#layout.revisionLink(repository, digest));
    const bytes = linked && (await this.#content.read(linked, MAX_MANIFEST_BYTES));
    if (bytes === undefined) return false;
    const manifest = parsed(bytes);
    if (manifest?.subject !== undefined) {
      const referrer = describeReferrer(digest, bytes.length, manifest);
      await this.#referrers.add(repository, manifest.subject.digest, referrer);
    }
    return true;
  }

  #remember(repository: RepositoryName, fit: Fit): void {
    this.#fits.delete(repository);
    this.#fits.set(repository, fit);
    if (this.#fits.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#fits.keys()) {
      this.#fits.delete(oldest);
      return;
    }
  }

  /** @returns `undefined` for a repository without manifests */
  async #timesOf(repository: RepositoryName): Promise<string | undefined> {
    const times: (bigint | undefined)[] = [];
    for (const algorithm of ALGORITHMS) {
      const folder = join(this.#layout.revisions(repository), algorithm);
      const info = await stat(folder, { bigint: true }).catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return undefined;
        throw fileError(error, 'the manifests');
      });
      times.push(info?.mtimeNs);
    }
    if (times.every((time) => time === undefined)) return undefined;
    const settledNs = BigInt(Date.now() - STEP_MS) * 1_000_000n;
    return times.some((time) => time !== undefined && time > settledNs) ? '' : times.join(' ');
  }

  async #noteFits(repository: RepositoryName, times: string): Promise<boolean> {
    const text = await readFile(this.#layout.referrersNote(repository), 'utf8').catch(() => '');
    return times !== '' && text === JSON.stringify({ times });
  }

  /** Without the note all is read again by the next process, and no more is lost. */
  async #writeNote(repository: RepositoryName, times: string): Promise<void> {
    const path = this.#layout.referrersNote(repository);
    try {
      const { stage } = this.#layout;
      for (const folder of [dirname(path), stage]) await makeDurableFolder(folder);
      await writeFileAtomically(path, JSON.stringify({ times }), { stage });
    } catch {
      return;
    }
  }
}

function parsed(bytes: Buffer): Manifest | undefined {
  try {
    return parseManifest(bytes, undefined);
  } catch {
    return undefined;
  }
}
