import { describe, expect, test } from '@jest/globals';
import { type Action, Rights, type RightsSettings } from '../../server/access/rights.js';
import { parseRepositoryName } from '../../server/oci/reference.js';

const CALLERS = {
  local: { user: undefined, local: true },
  remote: { user: undefined, local: false },
  anna: { user: 'anna', local: false },
  bert: { user: 'bert', local: false },
};

function decide(rights: Rights, who: keyof typeof CALLERS, action: Action, name: string) {
  return rights.decide(CALLERS[who], action, parseRepositoryName(name));
}

describe('without rules', () => {
  test.each<[RightsSettings['write'], ...string[]]>([
    ['loopback', 'allowed', 'denied', 'denied'],
    ['users', 'allowed', 'login', 'allowed'],
    ['anyone', 'allowed', 'allowed', 'allowed'],
  ])('%s: this machine, others, users', (write, ...expected) => {
    const rights = new Rights({ write, rules: [] });
    for (const action of ['push', 'delete'] as const) {
      const verdicts = (['local', 'remote', 'anna'] as const).map((who) =>
        decide(rights, who, action, 'a/b'),
      );
      expect(verdicts).toEqual(expected);
    }
    expect(decide(rights, 'remote', 'read', 'a/b')).toBe('allowed');
    expect(rights.usesLogins).toBe(write === 'users');
  });
});

describe('a rule', () => {
  const rights = new Rights({
    write: 'loopback',
    rules: [
      { repositories: 'team-a/open', read: ['anyone'] },
      { repositories: 'team-a/**', read: ['*'], push: ['anna'], delete: [] },
      { repositories: 'public/*', push: ['anyone'] },
    ],
  });

  test.each<[string, keyof typeof CALLERS, Action, string, string]>([
    ['names users', 'anna', 'push', 'team-a/x/y', 'allowed'],
    ['leaves others out', 'bert', 'push', 'team-a/x', 'denied'],
    ['asks for a login', 'remote', 'push', 'team-a/x', 'login'],
    ['holds for this machine too', 'local', 'push', 'team-a/x', 'login'],
    ['may be for every user', 'bert', 'read', 'team-a/x', 'allowed'],
    ['may be for nobody', 'anna', 'delete', 'team-a/x', 'denied'],
    ['that names nobody asks nobody to log in', 'remote', 'delete', 'team-a/x', 'denied'],
    ['for anyone needs no login', 'remote', 'push', 'public/x', 'allowed'],
    ['of one level does not reach deeper', 'remote', 'push', 'public/x/y', 'denied'],
    ['that comes first counts', 'remote', 'read', 'team-a/open', 'allowed'],
    ['that comes first counts, also for what it does not say', 'local', 'push', 'team-a/open', 'allowed'],
    [
      'that says nothing of an action leaves it to the general setting',
      'anna',
      'delete',
      'public/x',
      'denied',
    ],
    ['of a name does not hold for a longer name', 'remote', 'read', 'team-ab/x', 'allowed'],
  ])('%s', (_, who, action, name, verdict) => {
    expect(decide(rights, who, action, name)).toBe(verdict);
  });

  test('for anyone alone makes no logins necessary', () => {
    const open = new Rights({ write: 'anyone', rules: [{ repositories: '**', push: ['anyone'] }] });
    expect([open.usesLogins, open.gainsByLogin(CALLERS.remote)]).toEqual([false, false]);
  });
});
