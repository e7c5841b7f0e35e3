import { expect, test } from '@jest/globals';
import { etagOf, lastModifiedOf, sameVersion } from '../../server/disk/file-version.js';

const version = { ino: 12, size: 34, mtimeMs: 1_700_000_000_123.25, ctimeMs: 1_700_000_000_999 };

test('the entity tag is strong, and the same in every process', () => {
  expect(etagOf(version)).toBe('"2z__kXqtsX4oz7UXH-njYQOu"');
  expect(etagOf({ ...version })).toBe(etagOf(version));
});

test.each(['ino', 'size', 'mtimeMs', 'ctimeMs'] as const)('another %s is another version', (field) => {
  const other = { ...version, [field]: version[field] + 1 };
  expect(sameVersion(version, other)).toBe(false);
  expect(etagOf(other)).not.toBe(etagOf(version));
});

test('a version is the same as itself, whatever else its stats say', () => {
  expect(sameVersion(version, { ...version })).toBe(true);
});

test('Last-Modified is a whole second, not after the file and not after now', () => {
  expect(lastModifiedOf(version)).toBe('Tue, 14 Nov 2023 22:13:20 GMT');
  expect(lastModifiedOf({ ...version, mtimeMs: 1_700_000_000_999.75 })).toBe('Tue, 14 Nov 2023 22:13:20 GMT');
  expect(lastModifiedOf(version, 1_600_000_000_700)).toBe('Sun, 13 Sep 2020 12:26:40 GMT');
});
