/**
 * The bytes of blobs and manifests by their digest. Bytes get their place only when they are known to match, and are
 * taken out of it when they are found not to.
 */
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../disk/atomic-file.js';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import { foldersIn } from '../disk/folders.js';
import { DepotError, fileError, isMissing } from '../errors.js';
import { algorithmOf, type Digest, hexOf, isDigest } from '../oci/digest.js';
import { type HashOptions, hashFile } from '../stream/hash-file.js';
import type { Layout } from './layout.js';
import { takeLeases } from './leases.js';
import { intoPlace } from './trash.js';

/** Bytes that lie in their place. */
export interface StoredContent {
  readonly digest: Digest;
  readonly path: string;
  readonly stats: Stats;
  /** Whether these very bytes were found to match their digest less than a day ago. */
  readonly checked: boolean;
}

/** Who wants to know that something did not match its digest. */
export type OnDamage = (digest: Digest) => void;

/** How long a check is good for. */
const CHECKED_FOR_MS = 24 * 60 * 60 * 1000;

/** Checks that are remembered; the oldest are forgotten first and made again. */
const MAX_REMEMBERED = 200_000;

/** A check that all wait for who want to know the same of the same version. */
interface RunningCheck {
  readonly version: FileVersion;
  readonly right: Promise<boolean>;
}

/** All content of one registry folder. */
export class Content {
  readonly #layout: Layout;
  readonly #onDamage: OnDamage;
  readonly #checking = new Map<Digest, RunningCheck>();
  readonly #checks = new Map<Digest, { readonly version: FileVersion; readonly at: number }>();

  constructor(layout: Layout, onDamage: OnDamage) {
    this.#layout = layout;
    this.#onDamage = onDamage;
  }

  /** Finds content; `undefined` if it is not here. */
  async find(digest: Digest): Promise<StoredContent | undefined> {
    const path = this.#layout.data(digest);
    try {
      const stats = await stat(path);
      return stats.isFile() ? { digest, path, stats, checked: this.isChecked(digest, stats) } : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw fileError(error, path);
    }
  }

  /**
   * Reads content that is small, and checks it. What does not match is put aside, and is as if it were not here.
   *
   * @param maxBytes - more than that is not read
   */
  async read(digest: Digest, maxBytes: number): Promise<Buffer | undefined> {
    const found = await this.find(digest);
    if (found === undefined || found.stats.size > maxBytes) return undefined;
    const bytes = await readFile(found.path).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw fileError(error, found.path);
    });
    if (bytes === undefined) return undefined;
    if (createHash(algorithmOf(digest)).update(bytes).digest('hex') === hexOf(digest)) return bytes;
    await this.quarantine(found);
    return undefined;
  }

  /**
   * Gives bytes their place, over whatever is there: they are known to be right, and what is there may not be.
   *
   * @param temporaryPath - a file in the same file system whose bytes match the digest and are synced; it is moved
   * @throws DepotError `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
   */
  async place(digest: Digest, temporaryPath: string): Promise<void> {
    const path = this.#layout.data(digest);
    try {
      await this.lease(digest);
      await intoPlace(this.#layout, path, () => rename(temporaryPath, path));
      await syncFolder(dirname(path));
      this.noteChecked(digest, await stat(path));
    } catch (error) {
      throw fileError(error, path);
    }
  }

  /** The folders that content is spread over, such as `sha256/4f`, sorted. */
  async parts(): Promise<string[]> {
    const { blobs } = this.#layout;
    const parts: string[] = [];
    for (const algorithm of await foldersIn(blobs)) {
      const prefixes = await foldersIn(join(blobs, algorithm));
      parts.push(...prefixes.map((prefix) => `${algorithm}/${prefix}`));
    }
    return parts.sort();
  }

  /** The digests that have a place in one of the {@link parts}, with or without bytes in it. */
  async digestsIn(part: string): Promise<Digest[]> {
    const [algorithm] = part.split('/');
    const names = await foldersIn(join(this.#layout.blobs, part));
    return names.map((hex) => `${algorithm}:${hex}`).filter(isDigest);
  }

  /** How much content there is. Looks at each file, so it takes its time. */
  async total(): Promise<{ readonly contents: number; readonly bytes: number }> {
    const sizes: number[] = [];
    for (const part of await this.parts()) {
      for (const digest of await this.digestsIn(part)) {
        const found = await this.find(digest);
        if (found !== undefined) sizes.push(found.stats.size);
      }
    }
    return { contents: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  }

  /** Keeps content, if it is here, from being removed for as long as the grace lasts: it is about to be linked. */
  async lease(digest: Digest): Promise<void> {
    await takeLeases(this.#layout, [dirname(this.#layout.data(digest))]);
  }

  /**
   * Reads all of what was not checked lately, once however many ask. What does not match is put aside.
   *
   * @param found - the very version that is to be read
   * @returns whether the bytes are right
   * @throws DepotError as {@link matches}
   */
  check(found: StoredContent): Promise<boolean> {
    const running = this.#checking.get(found.digest);
    if (running !== undefined && sameVersion(running.version, found.stats)) return running.right;
    const right = this.#check(found).finally(() => {
      if (this.#checking.get(found.digest) === checking) this.#checking.delete(found.digest);
    });
    const checking = { version: found.stats, right };
    this.#checking.set(found.digest, checking);
    return right;
  }

  /**
   * The same for whoever is content with what was pushed again while it was read.
   *
   * @throws DepotError `NOT_FOUND`: it was removed meanwhile; `IO_FAILED`
   */
  async checkLatest(found: StoredContent): Promise<boolean> {
    try {
      return await this.check(found);
    } catch (error) {
      if (!(error instanceof DepotError && error.code === 'FILE_CHANGED')) throw error;
      const now = await this.find(found.digest);
      return now !== undefined && (now.checked || this.checkLatest(now));
    }
  }

  async #check(found: StoredContent): Promise<boolean> {
    if (await this.matches(found, { expected: found.stats })) return true;
    await this.quarantine(found);
    return false;
  }

  /**
   * Reads all of it, and remembers if it is right.
   *
   * @throws DepotError `FILE_CHANGED`, `NOT_FOUND`: it was replaced or removed meanwhile; `INTERRUPTED`; `IO_FAILED`
   */
  async matches({ digest, path }: StoredContent, options: HashOptions = {}): Promise<boolean> {
    const algorithm = algorithmOf(digest);
    const { hashes, version } = await hashFile(path, [algorithm], options);
    const right = hashes.get(algorithm)?.digest('hex') === hexOf(digest);
    if (right) this.noteChecked(digest, version);
    return right;
  }

  /** Whether this version of the bytes was found to match less than a day ago. */
  isChecked(digest: Digest, version: FileVersion): boolean {
    const check = this.#checks.get(digest);
    return (
      check !== undefined && Date.now() - check.at < CHECKED_FOR_MS && sameVersion(check.version, version)
    );
  }

  /** Remembers that a version of the bytes was found to match. */
  noteChecked(digest: Digest, { ino, size, mtimeMs, ctimeMs }: FileVersion): void {
    this.#checks.delete(digest);
    this.#checks.set(digest, { version: { ino, size, mtimeMs, ctimeMs }, at: Date.now() });
    if (this.#checks.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#checks.keys()) {
      this.#checks.delete(oldest);
      return;
    }
  }

  /**
   * Takes bytes that do not match out of their place and keeps them for a person to look at. Whoever read them slowly may
   * come late: what was pushed again in the meantime stays. Where nothing may be moved it stays in its place, and is found
   * to be wrong each time.
   *
   * @param found - the very bytes that were read
   */
  async quarantine({ digest, path, stats }: StoredContent): Promise<void> {
    const now = await stat(path).catch(() => undefined);
    if (now === undefined || !sameVersion(stats, now)) return;
    this.#checks.delete(digest);
    const aside = `${algorithmOf(digest)}-${hexOf(digest)}-${Date.now()}`;
    try {
      await mkdir(this.#layout.own('quarantine'), { recursive: true });
      await rename(path, this.#layout.own('quarantine', aside));
    } catch (error) {
      if (isMissing(error)) return;
    }
    this.#onDamage(digest);
  }
}
