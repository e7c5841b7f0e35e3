/**
 * Makes the index of referrers fit the manifests again: of a folder that the reference registry wrote to, or that was copied
 * without it. Each push keeps the index as it goes, so mostly there is nothing to do but to look at the time of a folder.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { fileError, systemCode } from '../errors.js';
import { ALGORITHMS, type Digest } from '../oci/digest.js';
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
  /** The manifests that have been read, or are known to be in the index; with what each speaks of. */
  readonly known: Map<Digest, Digest | undefined>;
}

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
   * Makes sure that the index of a repository has all that its manifests say of a subject. Only manifests that are new are
   * read, and those whose notes are lost.
   *
   * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`: something was missing and cannot be noted
   */
  async fit(repository: RepositoryName, subject: Digest): Promise<void> {
    await this.#fitManifests(repository);
    const noted = new Set(await this.#referrers.noted(repository, subject));
    for (const [digest, speaksOf] of this.#fits.get(repository)?.known ?? []) {
      if (speaksOf === subject && !noted.has(digest)) await this.#index(repository, digest);
    }
  }

  async #fitManifests(repository: RepositoryName): Promise<void> {
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
    const before = this.#fits.get(repository)?.known ?? (await this.#noteFits(repository, times, all));
    const known = new Map<Digest, Digest | undefined>();
    let complete = true;
    for (const digest of all) {
      if (before.has(digest)) known.set(digest, before.get(digest));
      else if (!(await this.#index(repository, digest, known))) complete = false;
    }
    this.#remember(repository, { times, known });
    // What has a folder and no link may get one again, and nothing above would tell.
    if (complete && times !== '') await this.#writeNote(repository, times, known);
  }

  /** @returns whether the manifest was here to be read */
  async #index(
    repository: RepositoryName,
    digest: Digest,
    known?: Map<Digest, Digest | undefined>,
  ): Promise<boolean> {
    const linked = await readLink(this.#layout.revisionLink(repository, digest));
    const bytes = linked && (await this.#content.read(linked, MAX_MANIFEST_BYTES));
    if (bytes === undefined) return false;
    const manifest = parsed(bytes);
    const subject = manifest?.subject?.digest;
    if (manifest !== undefined && subject !== undefined) {
      await this.#referrers.add(repository, subject, describeReferrer(digest, bytes.length, manifest));
    }
    known?.set(digest, subject);
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

  /** @returns what is known of all manifests, if the index is as it was when it last fitted them; else nothing */
  async #noteFits(
    repository: RepositoryName,
    times: string,
    all: readonly Digest[],
  ): Promise<Map<Digest, Digest | undefined>> {
    const text = await readFile(this.#layout.referrersNote(repository), 'utf8').catch(() => '');
    if (times === '' || !text.includes(JSON.stringify(times))) return new Map();
    const known = new Map<Digest, Digest | undefined>(all.map((digest) => [digest, undefined]));
    for (const subject of await this.#referrers.subjects(repository)) {
      for (const digest of await this.#referrers.noted(repository, subject)) {
        if (known.has(digest)) known.set(digest, subject);
      }
    }
    return text === noteOf(times, known) ? known : new Map();
  }

  /** Without the note all is read again by the next process, and no more is lost. */
  async #writeNote(repository: RepositoryName, times: string, known: Fit['known']): Promise<void> {
    const path = this.#layout.referrersNote(repository);
    try {
      const { stage } = this.#layout;
      for (const folder of [dirname(path), stage]) await makeDurableFolder(folder);
      await writeFileAtomically(path, noteOf(times, known), { stage });
    } catch {
      return;
    }
  }
}

/** The times of the manifests, and a hash of which speaks of which: a file that is lost of the index shows in it. */
function noteOf(times: string, known: Fit['known']): string {
  const lines = [...known].flatMap(([digest, subject]) =>
    subject === undefined ? [] : `${subject} ${digest}`,
  );
  const index = createHash('sha256').update(lines.sort().join('\n')).digest('hex');
  return JSON.stringify({ times, index });
}

function parsed(bytes: Buffer): Manifest | undefined {
  try {
    return parseManifest(bytes, undefined);
  } catch {
    return undefined;
  }
}
