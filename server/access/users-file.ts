/** The users of an htpasswd file, followed while the server runs. */
import { readFile, stat } from 'node:fs/promises';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import { DepotError, fileError } from '../errors.js';
import { costOf, type Htpasswd, parseHtpasswd, type RefusedLine } from './htpasswd.js';

/** The users at one time; another object is another version of the file. */
export interface Users {
  /** bcrypt hashes by user. */
  readonly hashes: ReadonlyMap<string, string>;
  /** A hash that belongs to nobody and takes as long to compare as the slowest of the others. */
  readonly nobody: string;
}

/** Told in plain words of what is wrong with a file that was changed. */
export type OnFault = (fault: string) => void;

/** Salt and hash of no password that anybody knows. */
const NO_PASSWORD = `${'.'.repeat(22)}${'x'.repeat(31)}`;
const USUAL_COST = 10;

/** One htpasswd file. */
export class UsersFile {
  readonly #path: string;
  readonly #onFault: OnFault;
  #version: FileVersion | undefined;
  #users: Users;

  private constructor(path: string, version: FileVersion, users: Users, onFault: OnFault) {
    this.#path = path;
    this.#version = version;
    this.#users = users;
    this.#onFault = onFault;
  }

  /**
   * Opens a file whose every line must be right.
   *
   * @param onFault - told when a later version cannot be read, or has lines that do not count
   * @throws DepotError `CONFIG_INVALID`: it cannot be read, or a line is no user with a bcrypt hash
   */
  static async open(path: string, onFault: OnFault): Promise<UsersFile> {
    try {
      const { version, content } = await read(path);
      const [first] = content.refused;
      if (first !== undefined) {
        throw new DepotError('CONFIG_INVALID', `registry.users: ${describe(path, first)}`, { path });
      }
      return new UsersFile(path, version, usersOf(content), onFault);
    } catch (error) {
      const { code, message } = fileError(error, path);
      if (code === 'CONFIG_INVALID') throw error;
      const advice = `make it with: htpasswd -B -c ${path} NAME`;
      throw new DepotError('CONFIG_INVALID', `registry.users: ${message}: ${advice}`, { path });
    }
  }

  /** The users as the file has them now. While it is missing or cannot be read there are none. */
  async current(): Promise<Users> {
    try {
      const version = await stat(this.#path);
      if (this.#version !== undefined && sameVersion(version, this.#version)) return this.#users;
      const found = await read(this.#path);
      this.#take(found.version, usersOf(found.content));
      for (const line of found.content.refused) this.#onFault(describe(this.#path, line));
    } catch (error) {
      if (this.#version !== undefined || this.#users.hashes.size > 0) {
        this.#onFault(`${fileError(error, this.#path).message}: nobody can log in`);
      }
      this.#take(undefined, usersOf({ hashes: new Map(), refused: [] }));
    }
    return this.#users;
  }

  #take(version: FileVersion | undefined, users: Users): void {
    this.#version = version;
    this.#users = users;
  }
}

/** The version is that of before, so that a change in between is seen at the next look. */
async function read(path: string): Promise<{ version: FileVersion; content: Htpasswd }> {
  const version = await stat(path);
  return { version, content: parseHtpasswd(await readFile(path, 'utf8')) };
}

function usersOf({ hashes }: Htpasswd): Users {
  const costs = [...hashes.values()].map((hash) => costOf(hash) ?? USUAL_COST);
  const cost = costs.length === 0 ? USUAL_COST : Math.max(...costs);
  return { hashes, nobody: `$2b$${String(cost).padStart(2, '0')}$${NO_PASSWORD}` };
}

function describe(path: string, { line, user, reason }: RefusedLine): string {
  const who = user === '' ? '' : ` (${user})`;
  return `${path}:${line}${who} has ${reason}: expected NAME:HASH as htpasswd -B writes it`;
}
