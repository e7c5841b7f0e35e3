/** Who asks, and whether he may. */
import { DepotError } from '../errors.js';
import type { RepositoryName } from '../oci/reference.js';
import { type Credentials, Logins } from './logins.js';
import { type Action, type Caller, Rights, type RightsSettings, type Verdict } from './rights.js';
import { type Token, Tokens } from './tokens.js';
import { type OnFault, UsersFile } from './users-file.js';

/** What access is opened with. */
export interface AccessSettings extends RightsSettings {
  /** The htpasswd file; looked at only where it matters who logged in. */
  readonly users: string;
}

const DOING: Readonly<Record<Action, string>> = { read: 'read', push: 'push to', delete: 'delete from' };

/** The users and their rights. */
export class Access {
  readonly #rights: Rights;
  readonly #logins: Logins | undefined;
  readonly #tokens: Tokens | undefined;

  private constructor(rights: Rights, file: UsersFile | undefined) {
    this.#rights = rights;
    this.#logins = file && new Logins(file);
    this.#tokens = file && new Tokens(file);
  }

  /**
   * @param onFault - told of what is wrong with the file of users when it is changed later
   * @throws DepotError `CONFIG_INVALID`: users matter, and their file cannot be read or has lines that do not count
   */
  static async open(settings: AccessSettings, onFault: OnFault): Promise<Access> {
    const rights = new Rights(settings);
    return new Access(rights, rights.usesLogins ? await UsersFile.open(settings.users, onFault) : undefined);
  }

  /** Whether it ever matters who logged in. Where it does not, credentials are not looked at. */
  get usesLogins(): boolean {
    return this.#logins !== undefined;
  }

  /** Whether everybody may read everything. */
  get openReads(): boolean {
    return this.#rights.openReads;
  }

  /**
   * Checks a name and a password.
   *
   * @param address - of the client
   * @throws DepotError `LOGIN_REQUIRED`: one of them is wrong; `TOO_MANY_REQUESTS`
   */
  async logIn(credentials: Credentials, address: string): Promise<string> {
    if (await this.#logins?.check(credentials, address)) return credentials.user;
    throw new DepotError('LOGIN_REQUIRED', 'the user or the password is wrong');
  }

  /** A token for who logged in, or for nobody. */
  async issueToken(user: string | undefined): Promise<Token> {
    if (this.#tokens !== undefined) return this.#tokens.issue(user);
    throw new DepotError('NOT_FOUND', 'nobody needs a token here');
  }

  /**
   * Who a token speaks of; `undefined` in one for nobody.
   *
   * @throws DepotError `LOGIN_REQUIRED`: it is over, or not one of ours
   */
  async userOf(token: string): Promise<string | undefined> {
    const found = await this.#tokens?.read(token);
    if (found !== undefined) return found.user;
    throw new DepotError('LOGIN_REQUIRED', 'the token is over: log in again');
  }

  /** Whether a caller who has not logged in could do more if he did. */
  gainsByLogin(caller: Caller): boolean {
    return this.#rights.gainsByLogin(caller);
  }

  /** Whether a caller may see what a repository has. */
  mayRead(caller: Caller, repository: RepositoryName): boolean {
    return this.#rights.decide(caller, 'read', repository) === 'allowed';
  }

  /** @throws DepotError `LOGIN_REQUIRED`; `ACCESS_DENIED`: no login helps, or not this one */
  require(caller: Caller, action: Action, repository: RepositoryName): void {
    refuse(caller, this.#rights.decide(caller, action, repository), `${DOING[action]} this repository`);
  }

  /**
   * Whether a caller may write to what belongs to no repository.
   *
   * @throws DepotError as {@link require}
   */
  requireWrite(caller: Caller): void {
    refuse(caller, this.#rights.decideWrite(caller), 'write to this depot');
  }
}

function refuse(caller: Caller, verdict: Verdict, doing: string): void {
  if (verdict === 'allowed') return;
  if (verdict === 'login') throw new DepotError('LOGIN_REQUIRED', `log in to ${doing}`);
  const who = caller.user === undefined ? 'this client' : `the user ${caller.user}`;
  throw new DepotError('ACCESS_DENIED', `${who} may not ${doing}: see registry.write and registry.rules`);
}
