/** What lines of a list mean: names, tags, rules for tags, and what things are called at the destination. */
import { describe, expect, test } from '@jest/globals';
import { parseRename, refuseCollisions } from '../../server/mirror/rename.js';
import { newestTags } from '../../server/mirror/tag-rule.js';
import { parseWanted } from '../../server/mirror/wanted.js';
import { parseTag } from '../../server/oci/reference.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const tags = (...names: string[]) => names.map(parseTag);

describe('a line', () => {
  test.each([
    ['busybox', { host: 'docker.io', repository: 'library/busybox', tag: 'latest', digest: undefined }],
    ['docker://quay.io/a/b', { host: 'quay.io', repository: 'a/b', tag: 'latest' }],
    ['localhost:5000/a:v1', { host: 'localhost:5000', repository: 'a', tag: 'v1' }],
    [`quay.io/a@${DIGEST}`, { tag: undefined, digest: DIGEST }],
    [`quay.io/a:v1@${DIGEST}`, { tag: 'v1', digest: DIGEST }],
  ])('%s', (text, meaning) => {
    expect(parseWanted(text)).toMatchObject(meaning);
  });

  test.each(['quay.io/A:v1', 'quay.io/a:', 'quay.io/a:>=x.y z', 'quay.io/a:~/(/', 'quay.io/a@sha256:12'])(
    '%s is refused',
    (text) => {
      expect(() => parseWanted(text)).toThrow();
    },
  );

  test.each([
    ['q.io/a:v1.2*', ['v1.2', 'v1.2.3', 'v1.20-rc1']],
    ['q.io/a:>=1.2 <1.20', ['v1.2', 'v1.2.3', '1.3.6_coreos.0']],
    ['q.io/a:^2', ['2']],
    ['q.io/a:~/^v1\\.2$/', ['v1.2']],
    ['q.io/a:*', ['latest', 'v1.2', 'v1.2.3', 'v1.20-rc1', '1.3.6_coreos.0', '2']],
  ])('%s chooses among tags, and never a signature', (text, chosen) => {
    const { rule } = parseWanted(text);
    const all = tags(
      'latest',
      'v1.2',
      'v1.2.3',
      'v1.20-rc1',
      '1.3.6_coreos.0',
      '2',
      `sha256-${'b'.repeat(64)}.sig`,
    );
    expect(all.filter((tag) => rule?.(tag))).toEqual(chosen);
  });

  test('the newest are those of the highest versions', () => {
    expect(newestTags(tags('latest', 'v1.9', 'v1.10', 'v1.10-rc1', 'v1.2'), 2)).toEqual(['v1.10', 'v1.9']);
  });
});

describe('names at the destination', () => {
  const named = (text: string, ...rules: string[]) => parseRename(rules)(parseWanted(text));

  test.each([
    ['quay.io/coreos/hyperkube:v1', [], 'quay.io/coreos/hyperkube'],
    ['busybox', [], 'docker.io/library/busybox'],
    ['localhost:5000/a', [], 'localhost_5000/a'],
    ['quay.io/coreos/hyperkube:v1', ['basename'], 'hyperkube'],
    ['quay.io/coreos/hyperkube:v1', ['quay.io/*/*=mirror/$2'], 'mirror/hyperkube'],
    ['gcr.io/a/b/c:v1', ['quay.io/**=no', '**=mirror/$1'], 'mirror/gcr.io/a/b/c'],
    ['gcr.io/a/b/c:v1', ['gcr.io/*=no', 'basename'], 'c'],
  ])('%s by %j is %s', (text, rules, name) => {
    expect(named(text, ...rules)).toBe(name);
  });

  test('rules that are none, and names that are none, are refused', () => {
    expect(() => parseRename(['flat'])).toThrow(/expected keep, basename or PATTERN=NAME/);
    expect(() => named('quay.io/a', '**=UPPER')).toThrow();
  });

  test('two sources that would have one name are refused, with both', () => {
    const clash = () =>
      refuseCollisions([
        { source: 'quay.io/a/x:v1', target: 'x:v1' },
        { source: 'quay.io/a/x:v1', target: 'x:v1' },
        { source: 'gcr.io/b/x:v1', target: 'x:v1' },
        { source: 'gcr.io/b/x:v2', target: 'x:v2' },
      ]);
    expect(clash).toThrow(
      'quay.io/a/x:v1 and gcr.io/b/x:v1 would both be x:v1: choose other names with --rename',
    );
  });
});
