import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatChecksums, parseChecksums } from '../../server/assets/checksums.js';

const hex = (text: string): string => createHash('sha256').update(text).digest('hex');
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('lines are sorted, two spaces apart, each ended', () => {
  const list = formatChecksums([
    { name: 'vmlinuz:v1', sha256: hex('b') },
    { name: 'initrd', sha256: hex('a') },
  ]);
  expect(list).toBe(`${hex('a')}  initrd\n${hex('b')}  vmlinuz:v1\n`);
});

test('no files give an empty list', () => expect(formatChecksums([])).toBe(''));

test.each([
  ['a\\b', `\\${EMPTY}  a\\\\b\n`],
  ['a\nb', `\\${EMPTY}  a\\nb\n`],
  ['a\rb', `\\${EMPTY}  a\\rb\n`],
  [' leading', `${EMPTY}   leading\n`],
  ['*star', `${EMPTY}  *star\n`],
  ['é\u2028', `${EMPTY}  é\u2028\n`],
])('the name %j is written as sha256sum writes it', (name, line) => {
  expect(formatChecksums([{ name, sha256: EMPTY }])).toBe(line);
  expect(parseChecksums(line, 'S')).toEqual([{ name, sha256: EMPTY }]);
});

test('every name survives writing and reading', () => {
  const name = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !/[\0/]/.test(text));
  fc.assert(
    fc.property(name, (text) => {
      const list = formatChecksums([{ name: text, sha256: EMPTY }]);
      expect(parseChecksums(list, 'S')).toEqual([{ name: text, sha256: EMPTY }]);
    }),
  );
});

test('lists of other programs are read: binary mode, upper case, comments, CRLF', () => {
  const text = `# made elsewhere\r\n\r\n${EMPTY.toUpperCase()} *./linux\r\n`;
  expect(parseChecksums(text, 'S')).toEqual([{ name: './linux', sha256: EMPTY }]);
});

test.each(['<html>', `${EMPTY} one space`, `${EMPTY.slice(1)}  short`, `${EMPTY}  `])(
  '%j is not a checksum, and its line is named',
  (line) => {
    expect(() => parseChecksums(`${EMPTY}  good\n${line}\n`, 'S')).toThrow(
      'S: line 2 is not a SHA-256 checksum',
    );
  },
);
