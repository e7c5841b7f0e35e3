/**
 * What was read from files, kept in memory for as long as none of them changes. Each time it is asked for the files are
 * looked at again, so whoever changed or removed one (this process, another one, a person), the next to ask is told. Those
 * who ask in one turn of the event loop had all come before the look, and share it.
 */
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { BoundedMemory } from '../bounded-memory.js';
import { type FileVersion, isSettled, sameVersion } from './file-version.js';

/** To be called with the path of a file before it is read; waits until its version is noted. */
export type Watch = (path: string) => Promise<void>;

/** Something that was made of files. */
export interface Made<T> {
  readonly value: T;
  /** What it costs to keep, beside some bookkeeping. */
  readonly bytes: number;
}

interface Known<T> {
  readonly made: Made<T>;
  readonly versions: ReadonlyMap<string, FileVersion>;
}

/** What the bookkeeping of one file costs, roughly. */
const FILE_BYTES = 512;
/** Loads beyond this many at a time are let go; what is asked for often comes again. */
const MAX_LOADING = 16;

/** A bounded memory of what files said. */
export class KnownFiles<T> {
  readonly #memory: BoundedMemory<Known<T>>;
  readonly #now: () => number;
  readonly #loading = new Set<string>();
  readonly #seen = new Set<Known<T>>();

  /**
   * @param maxBytes - all that is kept
   * @param now - milliseconds since 1970
   */
  constructor(maxBytes: number, now: () => number = Date.now) {
    this.#memory = new BoundedMemory(
      maxBytes,
      ({ made, versions }) => made.bytes + FILE_BYTES * (1 + versions.size),
    );
    this.#now = now;
  }

  /** What is known, if all files are still what they were. Synchronous. */
  find(key: string): T | undefined {
    const known = this.#memory.find(key);
    if (known === undefined) return undefined;
    if (this.#looksCurrent(known)) return known.made.value;
    this.#memory.forget(key);
    return undefined;
  }

  /**
   * Learns something in its own time. A file that is too fresh or changing is not trusted yet: nothing is kept then, nor
   * when `load` fails.
   *
   * @param load - calls `watch` before it reads a file; `undefined` if there is nothing to know
   */
  learn(key: string, load: (watch: Watch) => Promise<Made<T> | undefined>): void {
    if (this.#loading.has(key) || this.#loading.size === MAX_LOADING) return;
    this.#loading.add(key);
    this.#load(key, load)
      .catch(() => undefined)
      .finally(() => this.#loading.delete(key));
  }

  async #load(key: string, load: (watch: Watch) => Promise<Made<T> | undefined>): Promise<void> {
    const versions = new Map<string, FileVersion>();
    const made = await load(async (path) => {
      const { ino, size, mtimeMs, ctimeMs } = await stat(path);
      versions.set(path, { ino, size, mtimeMs, ctimeMs });
    });
    if (made === undefined) return;
    const known = { made, versions };
    const nowMs = this.#now();
    if (![...versions.values()].every((version) => isSettled(version, nowMs))) return;
    if (isCurrent(known)) this.#memory.keep(key, known);
  }

  #looksCurrent(known: Known<T>): boolean {
    if (this.#seen.has(known)) return true;
    if (!isCurrent(known)) return false;
    if (this.#seen.size === 0) setImmediate(() => this.#seen.clear());
    this.#seen.add(known);
    return true;
  }
}

function isCurrent({ versions }: Known<unknown>): boolean {
  for (const [path, version] of versions) {
    const stats = lookAt(path);
    if (stats === undefined || !sameVersion(version, stats)) return false;
  }
  return true;
}

function lookAt(path: string): FileVersion | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // A folder above was closed to us or replaced: the slow way says what that means.
    return undefined;
  }
}
