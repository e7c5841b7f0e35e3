/**
 * Bearer tokens for clients that log in once and then show what they got. They hold who it is and until when, under a
 * key that ends with the process; nothing is kept.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { UsersFile } from './users-file.js';

/** A token and for how long it is good. */
export interface Token {
  readonly text: string;
  readonly seconds: number;
}

const GOOD_FOR_S = 300;
const FORM = /^(\d{1,15})\.([\w-]*)\.([\w-]{43})$/;

/** The tokens of one process. */
export class Tokens {
  readonly #file: UsersFile;
  readonly #key = randomBytes(32);

  constructor(file: UsersFile) {
    this.#file = file;
  }

  /** @param user - who logged in; `undefined`: a token for nobody, as clients want one before they read what is open */
  async issue(user: string | undefined, now = Date.now()): Promise<Token> {
    const until = now + GOOD_FOR_S * 1000;
    const name = Buffer.from(user ?? '').toString('base64url');
    const seal = await this.#seal(until, user ?? '');
    return { text: `${until}.${name}.${seal.toString('base64url')}`, seconds: GOOD_FOR_S };
  }

  /**
   * Who a token speaks of.
   *
   * @returns `user` is `undefined` in a token for nobody; `undefined`: it is over, not ours, or the user's password is another now
   */
  async read(text: string, now = Date.now()): Promise<{ readonly user: string | undefined } | undefined> {
    const [, until, name = '', seal = ''] = FORM.exec(text) ?? [];
    if (until === undefined || Number(until) <= now) return undefined;
    const user = Buffer.from(name, 'base64url').toString();
    const expected = await this.#seal(Number(until), user);
    if (!timingSafeEqual(expected, Buffer.from(seal, 'base64url'))) return undefined;
    return { user: user === '' ? undefined : user };
  }

  /** The hash of the password is a part of it, so that a token ends when the user does. */
  async #seal(until: number, user: string): Promise<Buffer> {
    const { hashes } = await this.#file.current();
    const text = JSON.stringify([until, user, hashes.get(user) ?? '']);
    return createHmac('sha256', this.#key).update(text).digest();
  }
}
