/** What the entries of an image's archive must keep to. appc/spec, spec/aci.md, "Image Layout". */
import { printableBytes } from '../stream/printable-bytes.js';
import type { TarEntry, TarEntryType } from '../stream/tar-entry.js';
import { cleanPath } from './archive.js';

/** Linux cannot name a longer path, so nothing could unpack it. */
const PATH_LIMIT_BYTES = 4095;

const NOT_ALLOWED: Partial<Record<TarEntryType, string>> = {
  sparse: 'is a sparse file, expected a plain one: rkt cannot unpack it',
  unknown: 'has a type that rkt does not know, expected a file, directory, link, device or fifo',
};

/** Looks at the entries of one archive in their order. Holds their names. */
export class ArchiveRules {
  readonly #types = new Map<string, TarEntryType>();
  /** First parts of paths that do not belong there: each is told once. */
  readonly #strangers = new Set<string>();
  #hasV7 = false;
  /** A folder whose own path is good. */
  #lastParent = '';

  /** @returns what is wrong with the entry, each as `path: …, expected …` */
  check(entry: TarEntry): readonly string[] {
    const path = cleanPath(entry.name);
    const problems = [
      ...this.#placeProblems(entry, path),
      ...this.#formProblems(entry),
      ...this.#linkProblems(entry, path),
    ];
    if (path.length <= PATH_LIMIT_BYTES) this.#types.set(path, entry.type);
    const name = printableBytes(entry.name.slice(0, PATH_LIMIT_BYTES));
    return problems.map((problem) => `${name}: ${problem}`);
  }

  /** @returns what is missing from the archive now that all of it was seen */
  end(): readonly string[] {
    const problems: string[] = [];
    if (!this.#types.has('manifest'))
      problems.push('no manifest, expected a file "manifest" at the top level');
    if (!this.#types.has('rootfs'))
      problems.push('no rootfs, expected a directory "rootfs" at the top level');
    return problems;
  }

  /** Whether nothing but the root itself comes before the manifest. */
  beginsWithManifest(): boolean {
    for (const path of this.#types.keys()) if (path !== '.') return path === 'manifest';
    return false;
  }

  *#placeProblems(entry: TarEntry, path: string): Generator<string> {
    if (path.length > PATH_LIMIT_BYTES)
      yield `has ${path.length} bytes, expected at most ${PATH_LIMIT_BYTES}`;
    else if (entry.type === 'global-header')
      yield 'is a global PAX header, expected none: rkt takes it for a file';
    else if (path === '.') return;
    else if (!isInLayout(path)) yield* this.#strangerProblems(path);
    else if (this.#types.has(path)) yield 'is there twice, expected once';
    else if (path === 'rootfs' && entry.type !== 'directory')
      yield `is a ${entry.type}, expected a directory`;
    else yield* this.#parentProblems(path);
  }

  *#strangerProblems(path: string): Generator<string> {
    const first = /^\/?[^/]*/.exec(path)?.[0] ?? path;
    if (this.#strangers.has(first)) return;
    this.#strangers.add(first);
    yield 'is outside of the layout, expected "manifest", "rootfs" and what lies below it';
  }

  /** Parents may be missing or come later; a link to a directory may stand for one. */
  *#parentProblems(path: string): Generator<string> {
    const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
    // Most entries lie in the folder of the one before them.
    if (parent === this.#lastParent) return;
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
      const type = this.#types.get(path.slice(0, end));
      if (type === undefined || type === 'directory' || type === 'symlink') continue;
      yield `lies below ${printableBytes(path.slice(0, end))}, which is a ${type}, expected a directory`;
      return;
    }
    this.#lastParent = parent;
  }

  *#formProblems(entry: TarEntry): Generator<string> {
    const refusal = NOT_ALLOWED[entry.type];
    if (refusal !== undefined) yield refusal;
    if (entry.format !== 'v7' || this.#hasV7) return;
    this.#hasV7 = true;
    yield 'has a header of the old v7 form, expected ustar, GNU or PAX in the whole archive';
  }

  *#linkProblems(entry: TarEntry, path: string): Generator<string> {
    if (entry.type !== 'hard-link') return;
    const target = cleanPath(entry.linkName);
    const shown = printableBytes(entry.linkName.slice(0, PATH_LIMIT_BYTES));
    if (!target.startsWith('rootfs/')) yield `is a hard link to ${shown}, expected a target below rootfs`;
    else if (target === path || !this.#types.has(target)) {
      yield `is a hard link to ${shown}, expected an entry before it`;
    } else if (this.#types.get(target) === 'directory') {
      yield `is a hard link to ${shown}, which is a directory, expected anything else`;
    }
  }
}

function isInLayout(path: string): boolean {
  return path === 'manifest' || path === 'rootfs' || path.startsWith('rootfs/');
}
