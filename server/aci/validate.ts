/** Checking a whole archive against the rules of appc. */
import { DepotError } from '../errors.js';
import type { Compression } from '../stream/compression.js';
import { adviceFor } from './advice.js';
import { readAci } from './archive.js';
import { ArchiveRules } from './archive-rules.js';
import type { ImageManifest } from './image-manifest.js';
import { ManifestFile } from './manifest-file.js';

/** What a check of an archive found. */
export interface AciValidation {
  readonly path: string;
  /** Every broken rule, one line each; none if the archive is good. Of very many, the first and their number. */
  readonly problems: readonly string[];
  /** What is allowed and still keeps some clients from the image, one line each; only beside a good manifest. */
  readonly warnings: readonly string[];
  readonly compression?: Compression;
  /** The manifest, if it keeps all rules. */
  readonly manifest?: ImageManifest;
}

const PROBLEM_LIMIT = 100;

/**
 * Reads an archive to its end and collects everything that is wrong with it: its layout, its entries, its manifest.
 *
 * @param path - the file, untrusted
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`: the file cannot be read
 */
export async function validateAci(path: string): Promise<AciValidation> {
  const problems = new ProblemList();
  const ofEntries = new ProblemList();
  const rules = new ArchiveRules();
  const file = new ManifestFile();
  let manifest: ImageManifest | undefined;
  let compression: Compression | undefined;
  try {
    const reading = await readAci(path, {
      event(event) {
        if (event.kind === 'entry') ofEntries.add(rules.check(event.entry));
        const found = file.take(event);
        problems.add(found?.problems ?? []);
        manifest ??= found?.manifest;
        return undefined;
      },
    });
    compression = reading.compression;
    problems.add(rules.end());
    if (!reading.hasEndMark) problems.add(['no end mark, expected two blocks of zeros: it may be cut short']);
    if (reading.hasTrailingData) problems.add(['data after the end mark, expected nothing but zeros']);
  } catch (error) {
    if (!(error instanceof DepotError) || error.code !== 'ARCHIVE_INVALID') throw error;
    problems.add([error.message]);
  }
  const all = [...problems.list(), ...ofEntries.list()];
  const warnings = manifest ? adviceFor(manifest, rules.beginsWithManifest()) : [];
  return {
    path,
    problems: all,
    warnings,
    ...(compression && { compression }),
    ...(manifest && { manifest }),
  };
}

/** Keeps the first of many problems, and counts the others. */
class ProblemList {
  readonly #problems: string[] = [];
  #more = 0;

  add(problems: readonly string[]): void {
    for (const problem of problems) {
      if (this.#problems.length < PROBLEM_LIMIT) this.#problems.push(problem);
      else this.#more += 1;
    }
  }

  list(): readonly string[] {
    return this.#more === 0 ? this.#problems : [...this.#problems, `and ${this.#more} more problems`];
  }
}
