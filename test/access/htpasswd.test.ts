import { describe, expect, test } from '@jest/globals';
import { parseHtpasswd } from '../../server/access/htpasswd.js';
import { htpasswdOf } from '../fixtures/users.js';

const GOOD = htpasswdOf({ anna: 'secret' }).trim();
const HASH = GOOD.slice('anna:'.length);

describe('an htpasswd file', () => {
  test('has one user a line; comments, empty lines and line ends of DOS are passed over', () => {
    const { hashes, refused } = parseHtpasswd(`# users\r\n\r\n${GOOD}\r\nbert:${HASH}\n`);
    expect([[...hashes.keys()], refused]).toEqual([['anna', 'bert'], []]);
    expect(hashes.get('anna')).toBe(HASH);
  });

  test.each([
    ['MD5', 'bert:$apr1$pQyYb1Ws$Z8oA8hJsTBkIUbFVzGcQe.', 'bert', /MD5/],
    ['SHA-1', 'bert:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'bert', /SHA-1/],
    ['crypt', 'bert:$6$salt$hash', 'bert', /crypt/],
    ['a plain password', 'bert:hunter2', 'bert', /no bcrypt/],
    ['half a bcrypt hash', `bert:${HASH.slice(0, 40)}`, 'bert', /damaged/],
    ['a cost that would take for ever', `bert:${HASH.replace('$04$', '$31$')}`, 'bert', /cost of 31/],
    ['no colon', 'bert', '', /no user/],
    ['no user', `:${HASH}`, '', /no user/],
    ['a name that rules use', `*:${HASH}`, '*', /rules/],
    ['a user twice', GOOD, 'anna', /earlier/],
  ])('does not count a line with %s, and says whose it is', (_, line, user, reason) => {
    const { hashes, refused } = parseHtpasswd(`${GOOD}\n${line}\n`);
    expect([...hashes.keys()]).toEqual(['anna']);
    expect(refused).toEqual([{ line: 2, user, reason: expect.stringMatching(reason) }]);
    expect(JSON.stringify(refused)).not.toContain('hunter2');
  });
});
