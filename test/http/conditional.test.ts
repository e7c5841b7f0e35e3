import { expect, test } from '@jest/globals';
import { allowsRange, readConditions } from '../../server/http/conditional.js';

const DATE = 'Sun, 06 Nov 1994 08:49:37 GMT';
const CURRENT = { etag: '"abc"', lastModified: DATE };

test('If-Match keeps strong tags only, and takes the place of If-Unmodified-Since', () => {
  expect(readConditions({ 'if-match': 'W/"abc",\t"x"', 'if-unmodified-since': DATE })).toEqual({
    'if-match': '"x"',
  });
  expect(readConditions({ 'if-match': 'W/"abc"' })).toEqual({ 'if-match': '""' });
  expect(readConditions({ 'if-match': '' })).toEqual({ 'if-match': '""' });
  expect(readConditions({ 'if-match': ' * ' })).toEqual({ 'if-match': '*' });
});

test('If-None-Match keeps weak tags, and takes the place of If-Modified-Since', () => {
  expect(readConditions({ 'if-none-match': 'W/"abc", "x"', 'if-modified-since': DATE })).toEqual({
    'if-none-match': 'W/"abc", "x"',
  });
});

test('dates are read in every standard form, and ignored in any other', () => {
  const fields = { 'if-modified-since': 'Sun Nov  6 08:49:37 1994', 'if-unmodified-since': '1994-11-06' };
  expect(readConditions(fields)).toEqual({ 'if-modified-since': DATE });
});

test('a Cache-Control of the request changes nothing', () => {
  expect(readConditions({ 'if-none-match': '"abc"', 'cache-control': 'no-cache' })).toEqual({
    'if-none-match': '"abc"',
  });
});

test.each([
  [undefined, true],
  ['"abc"', true],
  [DATE, true],
  ['Sunday, 06-Nov-94 08:49:37 GMT', true],
  ['W/"abc"', false],
  ['"abc", "def"', false],
  ['"other"', false],
  ['Sun, 06 Nov 1994 08:49:38 GMT', false],
  ['Sun, 06 Nov 1994 08:49:36 GMT', false],
  ['', false],
])('If-Range %p allows a range: %p', (field, allowed) => {
  expect(allowsRange(field, CURRENT)).toBe(allowed);
});

test('If-Range with the date of a fresh file allows no range: it may have changed twice in that second', () => {
  const time = Date.parse(DATE);
  expect(allowsRange(DATE, CURRENT, time + 59_000)).toBe(false);
  expect(allowsRange(DATE, CURRENT, time + 60_000)).toBe(true);
});
