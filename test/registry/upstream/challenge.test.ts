import { expect, test } from '@jest/globals';
import { parseChallenges } from '../../../server/registry/upstream/challenge.js';

const read = (field: string | string[]) =>
  parseChallenges(field).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test.each([
  ['Basic realm="r"', [['basic', { realm: 'r' }]]],
  ['BASIC REALM = r', [['basic', { realm: 'r' }]]],
  [
    'Bearer realm="https://a.example/t?x=1,2",service="s",scope="repository:a/b:pull,push"',
    [['bearer', { realm: 'https://a.example/t?x=1,2', service: 's', scope: 'repository:a/b:pull,push' }]],
  ],
  [
    'Negotiate, Bearer realm="a \\"b\\", c" , service=s, Basic realm="x"',
    [
      ['negotiate', {}],
      ['bearer', { realm: 'a "b", c', service: 's' }],
      ['basic', { realm: 'x' }],
    ],
  ],
  [
    'NTLM abc==, Basic realm=r',
    [
      ['ntlm', {}],
      ['basic', { realm: 'r' }],
    ],
  ],
  ['', []],
  ['"', []],
  [
    'Bearer realm="never ends',
    [
      ['bearer', {}],
      ['ends', {}],
    ],
  ],
])('reads %s', (field, challenges) => {
  expect(read(field)).toEqual(challenges);
});

test('reads several fields as one', () => {
  expect(read(['Basic realm=a', 'Bearer realm=b'])).toEqual([
    ['basic', { realm: 'a' }],
    ['bearer', { realm: 'b' }],
  ]);
});
