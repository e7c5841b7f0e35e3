import { expect, test } from '@jest/globals';
import { printableBytes, printableText } from '../../server/stream/printable-bytes.js';

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

test.each([
  ['rootfs/bin/sh', 'rootfs/bin/sh'],
  [latin1('rootfs/größe 機'), 'rootfs/größe 機'],
  ['a\xffb', 'a\\xffb'],
  ['a\x1b[2Jb', 'a\\x1b[2Jb'],
  ['a\\b\nc', 'a\\\\b\\x0ac'],
  [latin1('a\u202eb\u2028'), 'a\\u{202e}b\\u{2028}'],
  [latin1('\u009b'), '\\x9b'],
  ['', ''],
])('the name %j is written as %j', (bytes, shown) => {
  expect(printableBytes(bytes)).toBe(shown);
});

test('a text that holds half a surrogate pair is written', () => {
  expect(printableText('a\ud800b')).toBe('a\\u{d800}b');
});
