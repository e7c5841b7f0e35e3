/**
 * What a process that signs again and again knows of the files it has seen: while a file and its signature are the
 * versions that were looked at, nothing has to be read.
 */
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import type { SignedFile } from './sign-file.js';

/** What was trouble is tried again after so long. */
const RETRY_AFTER_MS = 30_000;

/** Which versions of a file and of its signature there are. */
export interface Look {
  readonly file: FileVersion | undefined;
  readonly signature: FileVersion | undefined;
}

/** What came of a look. */
interface Memory {
  readonly look: Look;
  readonly result: SignedFile;
  /** Milliseconds since 1970. */
  readonly notedAt: number;
}

/** Looks at a file and its signature. */
export async function lookAt(path: string, signature: string | undefined): Promise<Look> {
  const [file, beside] = await Promise.all(
    [path, signature].map((name) => (name === undefined ? undefined : stat(name).catch(() => undefined))),
  );
  return { file, signature: beside };
}

/** The same within one turn of the event loop: two system calls on a path that was just asked for. */
export function lookAtOnce(path: string, signature: string): Look {
  return { file: statOnce(path), signature: statOnce(signature) };
}

function statOnce(path: string): FileVersion | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isFile() ? stats : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether the signature came after the file, as far as times tell. The change time is in it because no copy can set it
 * back: a file that took the place of another is younger than the signature of the other.
 */
export function isYounger({ file, signature }: Look): boolean {
  if (file === undefined || signature === undefined) return false;
  return signature.ctimeMs > file.ctimeMs && signature.mtimeMs >= file.mtimeMs;
}

/** Results by path, each good for the versions it was found with. */
export class SignMemory {
  readonly #known = new Map<string, Memory>();

  /** Keeps a result; one of a file that is still changing is not kept. */
  note(look: Look, result: SignedFile): void {
    if (result.code === 'FILE_CHANGED') this.#known.delete(result.path);
    else this.#known.set(result.path, { look, result, notedAt: Date.now() });
  }

  /** The result for these very versions, unless it was a failure that is worth another try. */
  recall(path: string, look: Look): SignedFile | undefined {
    const known = this.#known.get(path);
    if (known === undefined || !sameLook(known.look, look)) return undefined;
    const again = known.result.action === 'failed' && Date.now() - known.notedAt >= RETRY_AFTER_MS;
    return again ? undefined : known.result;
  }

  /** Whether a signature is the one that another version of the file had, touched since or not. */
  isLeftOver(path: string, { file, signature }: Look): boolean {
    const known = this.#known.get(path)?.look;
    return known !== undefined && !same(known.file, file) && known.signature?.ino === signature?.ino;
  }

  /** Forgets every file that is not among these. */
  keepOnly(paths: ReadonlySet<string>): void {
    for (const path of this.#known.keys()) if (!paths.has(path)) this.#known.delete(path);
  }
}

function sameLook(one: Look, other: Look): boolean {
  return same(one.file, other.file) && same(one.signature, other.signature);
}

function same(one: FileVersion | undefined, other: FileVersion | undefined): boolean {
  return one === undefined || other === undefined ? one === other : sameVersion(one, other);
}
