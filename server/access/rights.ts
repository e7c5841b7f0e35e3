/** Who may do what with a repository: the first rule that matches its name, and the general setting behind it. */
import picomatch from 'picomatch';
import type { RepositoryName } from '../oci/reference.js';

/** What can be done with a repository. */
export type Action = 'read' | 'push' | 'delete';

/** Who asks. */
export interface Caller {
  /** Who logged in; `undefined`: nobody did. */
  readonly user: string | undefined;
  /** Whether it is this machine itself that asks. */
  readonly local: boolean;
}

/** Users by name; `*` is everybody who logged in, `anyone` also who did not. Absent: the general setting holds. */
type Names = readonly string[] | undefined;

/** A rule of the configuration. */
export interface RepositoryRule {
  /** A glob of repository names, such as `team-a/**`. */
  readonly repositories: string;
  readonly read?: Names;
  readonly push?: Names;
  readonly delete?: Names;
}

/** What the configuration says. */
export interface RightsSettings {
  /** Who may push, and delete, where no rule says who. */
  readonly write: 'loopback' | 'users' | 'anyone';
  readonly rules: readonly RepositoryRule[];
}

/** `login`: it may be allowed to a user, and nobody has logged in. */
export type Verdict = 'allowed' | 'login' | 'denied';

const ACTIONS = ['read', 'push', 'delete'] as const;
/** Everybody who logged in. */
const USERS = '*';
/** Everybody. */
const ANYONE = 'anyone';

/** The rights of one configuration. */
export class Rights {
  readonly #write: RightsSettings['write'];
  readonly #rules: readonly { readonly rule: RepositoryRule; readonly matches: (name: string) => boolean }[];
  /** Whether everybody may read everything. */
  readonly openReads: boolean;
  /** Whether a rule asks for a user. */
  readonly #rulesAskForUsers: boolean;

  constructor({ write, rules }: RightsSettings) {
    this.#write = write;
    this.#rules = rules.map((rule) => ({ rule, matches: picomatch(rule.repositories) }));
    this.openReads = rules.every(({ read }) => isOpen(read));
    this.#rulesAskForUsers = rules.some((rule) => ACTIONS.some((action) => !isOpen(rule[action])));
  }

  /** Whether it ever matters who logged in. */
  get usesLogins(): boolean {
    return this.#write === 'users' || this.#rulesAskForUsers;
  }

  /** Whether a caller who has not logged in could do more if he did. */
  gainsByLogin({ local, user }: Caller): boolean {
    return user === undefined && (this.#rulesAskForUsers || (this.#write === 'users' && !local));
  }

  /** Whether a caller may, or may be allowed to after a login. */
  decide(caller: Caller, action: Action, repository: RepositoryName): Verdict {
    const names = this.#rules.find(({ matches }) => matches(repository))?.rule[action];
    return names === undefined ? this.#generally(caller, action) : byNames(caller, names);
  }

  /** The same for what belongs to no repository. */
  decideWrite(caller: Caller): Verdict {
    return this.#generally(caller, 'push');
  }

  #generally({ user, local }: Caller, action: Action): Verdict {
    if (action === 'read' || local || this.#write === 'anyone') return 'allowed';
    if (this.#write === 'loopback') return 'denied';
    return user === undefined ? 'login' : 'allowed';
  }
}

/** A list is for this machine too: who wrote names down means them. */
function byNames({ user }: Caller, names: readonly string[]): Verdict {
  if (names.includes(ANYONE)) return 'allowed';
  if (user === undefined) return names.length === 0 ? 'denied' : 'login';
  return names.includes(USERS) || names.includes(user) ? 'allowed' : 'denied';
}

function isOpen(names: Names): boolean {
  return names === undefined || names.includes(ANYONE);
}
