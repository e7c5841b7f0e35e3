import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { contentRange, planRanges } from '../../server/http/ranges.js';

/** The plain model: which bytes of a file of `size` bytes a range means, each asked on its own. */
function bytesOf(range: string, size: number): number[] {
  const [first = '', last = ''] = range.split('-');
  const all = Array.from({ length: size }, (_, index) => index);
  if (first === '') return all.filter((index) => index >= size - Number(last));
  return all.filter((index) => index >= Number(first) && (last === '' || index <= Number(last)));
}

const position = fc.integer({ min: 0, max: 60 });
const validRange = fc.oneof(
  fc.tuple(position, position).map(([one, other]) => `${Math.min(one, other)}-${Math.max(one, other)}`),
  position.map((first) => `${first}-`),
  position.map((suffix) => `-${suffix}`),
);
const size = fc.integer({ min: 1, max: 50 });

function bytesOfPlan(plan: readonly { start: number; length: number }[]): number[][] {
  return plan.map(({ start, length }) => Array.from({ length }, (_, index) => start + index));
}

describe('a range of a file', () => {
  test('is the bytes that the plain model says, or 416 where it says none', () => {
    fc.assert(
      fc.property(validRange, size, (range, fileSize) => {
        const expected = bytesOf(range, fileSize);
        const plan = planRanges(`bytes=${range}`, fileSize);
        if (expected.length === 0) expect(plan).toBe('unsatisfiable');
        else expect(typeof plan === 'string' ? plan : bytesOfPlan(plan)).toEqual([expected]);
      }),
      { numRuns: 2000 },
    );
  });

  test('of several gives each piece that exists, in the order asked, or the whole file if two share a byte', () => {
    fc.assert(
      fc.property(fc.array(validRange, { minLength: 1, maxLength: 5 }), size, (ranges, fileSize) => {
        const pieces = [...new Set(ranges)].map((range) => bytesOf(range, fileSize));
        const existing = pieces.filter((bytes) => bytes.length > 0);
        const all = existing.flat();
        const plan = planRanges(`bytes=${ranges.join(', ')}`, fileSize);
        if (existing.length === 0) expect(plan).toBe('unsatisfiable');
        else if (new Set(all).size < all.length) expect(plan).toBe('whole');
        else expect(typeof plan === 'string' ? plan : bytesOfPlan(plan)).toEqual(existing);
      }),
      { numRuns: 2000 },
    );
  });

  test('never throws and never leaves the file, whatever was sent', () => {
    const noise = fc.oneof(fc.string(), fc.stringMatching(/^bytes=[-0-9, x=]*$/));
    fc.assert(
      fc.property(noise, fc.nat(1000), (field, fileSize) => {
        const plan = planRanges(field, fileSize);
        if (typeof plan === 'string') return;
        for (const { start, length } of plan) {
          expect(start).toBeGreaterThanOrEqual(0);
          expect(length).toBeGreaterThan(0);
          expect(start + length).toBeLessThanOrEqual(fileSize);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a Range field', () => {
  test.each([
    ['sent twice with one value', 'bytes=10-, bytes=10-', [{ start: 10, length: 90 }]],
    ['with a unit in capitals', 'Bytes=0-0', [{ start: 0, length: 1 }]],
    ['with empty members', 'bytes=,0-1,,', [{ start: 0, length: 2 }]],
    ['with a suffix longer than the file', 'bytes=-1000', [{ start: 0, length: 100 }]],
    ['with an end beyond the file', 'bytes=90-99999999999999999999999', [{ start: 90, length: 10 }]],
    ['whose other pieces do not exist', 'bytes=0-1,200-', [{ start: 0, length: 2 }]],
    [
      'with pieces that touch',
      'bytes=2-3,0-1',
      [
        { start: 2, length: 2 },
        { start: 0, length: 2 },
      ],
    ],
    ['that starts at the end', 'bytes=100-', 'unsatisfiable'],
    ['for the last zero bytes', 'bytes=-0', 'unsatisfiable'],
    ['in another unit', 'lines=1-2', 'whole'],
    ['that ends before it starts', 'bytes=5-3', 'whole'],
    ['without a number', 'bytes=-', 'whole'],
    ['without a range', 'bytes=', 'whole'],
    ['with one malformed member', 'bytes=0-1,x', 'whole'],
    ['with pieces that overlap', 'bytes=0-10,5-20', 'whole'],
  ])('%s', (_, field, plan) => {
    expect(planRanges(field, 100)).toEqual(plan);
  });

  test('for very many pieces is answered with the whole file', () => {
    const pieces = Array.from({ length: 40 }, (_, index) => `${index * 2}-${index * 2}`);
    expect(planRanges(`bytes=${pieces.join(',')}`, 100)).toBe('whole');
    expect(planRanges(`bytes=${pieces.slice(0, 20).join(',')}`, 100)).toHaveLength(20);
  });

  test('from the start of an empty file is answered in full, further on it cannot be', () => {
    expect(planRanges('bytes=0-', 0)).toBe('whole');
    expect(planRanges('bytes=-5', 0)).toBe('whole');
    expect(planRanges('bytes=1-', 0)).toBe('unsatisfiable');
    expect(planRanges('bytes=-0', 0)).toBe('unsatisfiable');
  });

  test('beyond 4 GiB keeps every digit', () => {
    const fileSize = 5 * 2 ** 30;
    const plan = planRanges('bytes=4294967296-4294967300', fileSize);
    expect(plan).toEqual([{ start: 2 ** 32, length: 5 }]);
    expect(contentRange({ start: 2 ** 32, length: 5 }, fileSize)).toBe(
      'bytes 4294967296-4294967300/5368709120',
    );
  });
});
