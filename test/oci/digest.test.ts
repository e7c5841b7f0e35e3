import { expect, test } from '@jest/globals';
import { algorithmOf, digestOf, hexOf, parseDigest } from '../../server/oci/digest.js';

const SHA256 = `sha256:${'a1'.repeat(32)}`;
const SHA512 = `sha512:${'0f'.repeat(64)}`;

test.each([
  [SHA256, 'sha256', 'a1'.repeat(32)],
  [SHA512, 'sha512', '0f'.repeat(64)],
])('%s is a digest', (text, algorithm, hex) => {
  const digest = parseDigest(text);
  expect([algorithmOf(digest), hexOf(digest)]).toEqual([algorithm, hex]);
});

test.each([
  '',
  'sha256',
  'sha256:',
  'sha256:baddigeststring',
  `${SHA256} `,
  `${SHA256}  `,
  `${SHA256}\n`,
  SHA256.toUpperCase(),
  SHA256.replace('a', 'A'),
  SHA256.slice(0, -1),
  `${SHA256}0`,
  SHA256.replace('sha256', 'sha512'),
  SHA256.replace('sha256', 'md5'),
  SHA256.replace('sha256', 'constructor'),
  `sha256:${'../'.repeat(21)}a`,
])('%j is none', (text) => {
  expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'DIGEST_INVALID' }));
});

test('hex of another length is refused', () => {
  expect(() => digestOf('sha512', 'a1'.repeat(32))).toThrow(
    expect.objectContaining({ code: 'DIGEST_INVALID' }),
  );
});
