import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseHttpDate } from '../../server/http/http-date.js';

const NOW = Date.parse('2026-11-23T00:00:00Z');

test.each(['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'])(
  'the standard form %p is read',
  (text) => {
    expect(parseHttpDate(text, NOW)).toBe(Date.UTC(1994, 10, 6, 8, 49, 37));
  },
);

test('a two-digit year is never more than 50 years ahead', () => {
  expect(parseHttpDate('Monday, 01-Jan-76 00:00:00 GMT', NOW)).toBe(Date.UTC(2076, 0, 1));
  expect(parseHttpDate('Monday, 01-Jan-77 00:00:00 GMT', NOW)).toBe(Date.UTC(1977, 0, 1));
});

test('what Date writes for any second comes back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (second) => {
      expect(parseHttpDate(new Date(second * 1000).toUTCString())).toBe(second * 1000);
    }),
  );
});

test.each([
  '',
  '0',
  '2026',
  '2026-11-23T00:00:00Z',
  'tomorrow',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun, 06 Nov 1994 08:49:37 +0100',
  'Sun, 6 Nov 1994 08:49:37 GMT',
  'Mon, 31 Feb 2024 00:00:00 GMT',
  'Mon, 01 Jan 2024 24:00:00 GMT',
  'Mon, 01 Jan 2024 00:60:00 GMT',
  'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT',
])('%p is no HTTP date', (text) => {
  expect(parseHttpDate(text)).toBeUndefined();
});
