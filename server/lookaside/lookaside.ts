/**
 * The folder of image signatures, in the layout that containers/image asks for:
 * `<repository>@sha256=<hex>/signature-<n>`, with n from 1 and no holes, since clients stop at the first that is missing.
 */
import { link, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createPendingFile,
  removeStaleTemporaries,
  syncFolder,
  writeFileAtomically,
} from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { DepotError, fileError, isMissing, systemCode } from '../errors.js';
import { type Digest, isDigest } from '../oci/digest.js';
import { isRepositoryName, type RepositoryName } from '../oci/reference.js';
import { Turns } from '../registry/turns.js';

/** A signature file. */
export interface StoredSignature {
  /** From 1. */
  readonly number: number;
  readonly bytes: Buffer;
}

/** The manifest that signatures are of. */
export interface Signed {
  readonly repository: RepositoryName;
  readonly digest: Digest;
}

/** More than that, and somebody is filling the disk. */
const MOST_SIGNATURES = 128;
const NAME = /^signature-([1-9]\d{0,8})$/;
const ADDRESS = /^(?<repository>[^@]+)@(?<algorithm>sha256|sha512)=(?<hex>[0-9a-f]+)\/(?<name>[^/]+)$/;

/** One such folder. It need not exist as long as nothing is signed. */
export class Lookaside {
  readonly #dir: string;
  readonly #turns = new Turns();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Reads the file that an address below the folder names.
   *
   * @param address - untrusted, decoded, such as `team/app@sha256=…/signature-1`
   * @returns `undefined` for whatever is not there, and for every address that could not be
   * @throws DepotError `ACCESS_DENIED`, `BUSY`, `IO_FAILED`
   */
  async read(address: string): Promise<Buffer | undefined> {
    const { repository = '', algorithm, hex, name = '' } = ADDRESS.exec(address)?.groups ?? {};
    const digest = `${algorithm}:${hex}`;
    if (!isRepositoryName(repository) || !isDigest(digest) || !NAME.test(name)) return undefined;
    return readIfThere(join(this.#folder({ repository, digest }), name));
  }

  /**
   * All signatures of a manifest, in the order of their numbers.
   *
   * @throws DepotError `ACCESS_DENIED`, `BUSY`, `IO_FAILED`
   */
  async list(signed: Signed): Promise<StoredSignature[]> {
    const folder = this.#folder(signed);
    const found: StoredSignature[] = [];
    for (const number of await numbersIn(folder)) {
      const bytes = await readIfThere(fileIn(folder, number));
      if (bytes !== undefined) found.push({ number, bytes });
    }
    return found;
  }

  /**
   * Adds a signature behind the others, unless the very same is there.
   *
   * @returns its number
   * @throws DepotError `TOO_MANY_REQUESTS`: there are too many already; `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
   */
  add(signed: Signed, bytes: Uint8Array): Promise<number> {
    return this.#alone(signed, async (folder) => {
      await makeDurableFolder(folder);
      await removeStaleTemporaries(folder);
      await closeHoles(folder);
      const same = (await this.list(signed)).find((each) => each.bytes.equals(bytes));
      return same?.number ?? (await append(folder, bytes));
    });
  }

  /**
   * Puts a signature in the place of another.
   *
   * @throws DepotError as {@link add}
   */
  replace(signed: Signed, number: number, bytes: Uint8Array): Promise<void> {
    return this.#alone(signed, (folder) => writeFileAtomically(fileIn(folder, number), bytes));
  }

  /**
   * Removes signatures and closes the holes: the last ones take their places, so that at no instant a number is missing below another.
   *
   * @throws DepotError `ACCESS_DENIED`, `IO_FAILED`
   */
  remove(signed: Signed, numbers: Iterable<number>): Promise<void> {
    return this.#alone(signed, async (folder) => {
      for (const number of [...numbers].sort((one, other) => other - one)) {
        const last = (await numbersIn(folder)).at(-1) ?? number;
        if (last > number) await rename(fileIn(folder, last), fileIn(folder, number));
        else await rm(fileIn(folder, number), { force: true });
      }
      await closeHoles(folder);
      await syncFolder(folder);
    });
  }

  /** Closes holes that somebody has left; does nothing where there are none. */
  tidy(signed: Signed): Promise<void> {
    return this.#alone(signed, closeHoles);
  }

  #folder({ repository, digest }: Signed): string {
    return join(this.#dir, `${repository}@${digest.replace(':', '=')}`);
  }

  async #alone<T>(signed: Signed, work: (folder: string) => Promise<T>): Promise<T> {
    const folder = this.#folder(signed);
    try {
      return await this.#turns.run(folder, () => work(folder));
    } catch (error) {
      throw fileError(error, folder);
    }
  }
}

function fileIn(folder: string, number: number): string {
  return join(folder, `signature-${number}`);
}

/** From small to large. */
async function numbersIn(folder: string): Promise<number[]> {
  try {
    const numbers = (await readdir(folder)).map((name) => Number(NAME.exec(name)?.[1] ?? 0));
    return numbers.filter((number) => number > 0).sort((one, other) => one - other);
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError(error, folder);
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error) || systemCode(error) === 'EISDIR') return undefined;
    throw fileError(error, path);
  }
}

async function closeHoles(folder: string): Promise<void> {
  for (let number = 1; ; number += 1) {
    const numbers = await numbersIn(folder);
    const last = numbers.at(-1) ?? 0;
    if (last <= number) return;
    if (!numbers.includes(number)) await rename(fileIn(folder, last), fileIn(folder, number));
  }
}

/** A link never replaces what another process has put there meanwhile; a rename would. */
async function append(folder: string, bytes: Uint8Array): Promise<number> {
  const pending = await createPendingFile(fileIn(folder, 1));
  try {
    await pending.handle.writeFile(bytes);
    await pending.handle.sync();
    for (let number = ((await numbersIn(folder)).at(-1) ?? 0) + 1; number <= MOST_SIGNATURES; number += 1) {
      if (!(await linkIfFree(pending.temporaryPath, fileIn(folder, number)))) continue;
      await syncFolder(folder);
      return number;
    }
  } finally {
    await pending.discard();
  }
  throw new DepotError('TOO_MANY_REQUESTS', `a manifest may have ${MOST_SIGNATURES} signatures`);
}

async function linkIfFree(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}
