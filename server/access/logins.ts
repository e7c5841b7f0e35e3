/** Checking names and passwords: slow for who guesses, quick for who was right a moment ago, and bounded for all. */
import { createHmac, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DepotError } from '../errors.js';
import { BcryptThread } from './bcrypt-thread.js';
import type { Users, UsersFile } from './users-file.js';

/** What a client says of itself. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** A wrong guess is answered no sooner than this. */
const LEAST_MS = 1_000;
/** How long a password that was right is not computed again: a push of many layers asks with each of them. */
const REMEMBERED_MS = 60_000;
const MOST_REMEMBERED = 1_000;
/** Logins under way: of one address, and of all. The next are asked to come again. */
const MOST_OF_ONE = 8;
const MOST_OF_ALL = 32;

interface Remembered {
  readonly users: Users;
  readonly until: number;
}

/** Logins by the users of one file. */
export class Logins {
  readonly #file: UsersFile;
  readonly #bcrypt = new BcryptThread();
  /** Passwords are kept as keyed digests whose key ends with the process. */
  readonly #key = randomBytes(32);
  readonly #remembered = new Map<string, Remembered>();
  readonly #underWay = new Map<string, Promise<boolean>>();
  readonly #byAddress = new Map<string, number>();

  constructor(file: UsersFile) {
    this.#file = file;
  }

  /**
   * Whether there is such a user with such a password. A user that does not exist takes as long as a wrong password.
   *
   * @param address - of the client
   * @throws DepotError `TOO_MANY_REQUESTS`: others are being checked, from there or from everywhere
   */
  async check(credentials: Credentials, address: string): Promise<boolean> {
    const users = await this.#file.current();
    const key = this.#digest(credentials);
    const known = this.#remembered.get(key);
    if (known !== undefined && known.users === users && known.until > Date.now()) return true;
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    this.#refuseTooMany(address);
    const checking = this.#compare(credentials, key, users).finally(() => {
      this.#underWay.delete(key);
      this.#count(address, -1);
    });
    this.#underWay.set(key, checking);
    this.#count(address, 1);
    return checking;
  }

  async #compare({ user, password }: Credentials, key: string, users: Users): Promise<boolean> {
    const cameAt = performance.now();
    const hash = users.hashes.get(user);
    const right = await this.#bcrypt.compare(password, hash ?? users.nobody);
    if (right && hash !== undefined) {
      this.#remember(key, { users, until: Date.now() + REMEMBERED_MS });
      return true;
    }
    await sleep(Math.max(0, cameAt + LEAST_MS - performance.now()));
    return false;
  }

  #digest({ user, password }: Credentials): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([user, password]))
      .digest('base64');
  }

  /** The oldest go first. */
  #remember(key: string, entry: Remembered): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, entry);
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= MOST_REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
  }

  #refuseTooMany(address: string): void {
    if (this.#underWay.size < MOST_OF_ALL && (this.#byAddress.get(address) ?? 0) < MOST_OF_ONE) return;
    throw new DepotError('TOO_MANY_REQUESTS', 'too many logins at once: try again in a moment');
  }

  #count(address: string, step: 1 | -1): void {
    const count = (this.#byAddress.get(address) ?? 0) + step;
    if (count === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, count);
  }
}
