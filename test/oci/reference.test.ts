import { describe, expect, test } from '@jest/globals';
import { parseReference, parseRepositoryName, parseTag } from '../../server/oci/reference.js';

describe('a repository name', () => {
  test.each([
    'a',
    'coreos/hyperkube',
    'quay.io/coreos/flannel',
    'a__b',
    'a--b',
    'a.b_c-d/e0',
    'x'.repeat(255),
  ])('is %s', (text) => {
    expect(parseRepositoryName(text)).toBe(text);
  });

  test.each([
    '',
    'A/b',
    '../x',
    'a//b',
    '/a',
    'a/',
    'a/_uploads',
    'a/_manifests/tags',
    'a..b',
    'a___b',
    '-a',
    'a-',
    'a b',
    'a\n',
    'ä',
    'x'.repeat(256),
  ])('is not %j', (text) => {
    expect(() => parseRepositoryName(text)).toThrow(expect.objectContaining({ code: 'NAME_INVALID' }));
  });
});

describe('a tag', () => {
  test.each(['v1.3.6_coreos.0', 'latest', '_x', 'A', '0', 'x'.repeat(128)])('is %s', (text) => {
    expect(parseTag(text)).toBe(text);
  });

  test.each(['', '.x', '-x', 'a b', 'a/b', 'a:b', 'a\n', '..', 'x'.repeat(129)])('is not %j', (text) => {
    expect(() => parseTag(text)).toThrow(expect.objectContaining({ code: 'TAG_INVALID' }));
  });
});

test('a reference is a digest if it has a colon, else a tag', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  expect(parseReference(digest)).toEqual({ digest });
  expect(parseReference('sha256')).toEqual({ tag: 'sha256' });
  expect(() => parseReference('sha256:bad')).toThrow(expect.objectContaining({ code: 'DIGEST_INVALID' }));
});
