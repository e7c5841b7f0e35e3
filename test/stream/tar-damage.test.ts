import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readTar } from '../fixtures/read-tar.js';
import { buildTar, END_OF_TAR, paxRecords, tarMember } from '../fixtures/tar.js';

describe('the end', () => {
  const members = [
    tarMember({ name: 'a', content: 'x'.repeat(700) }),
    tarMember({ name: 'b', pax: { path: 'c' } }),
  ];

  test('is two blocks of zeros; what follows is noticed unless it is zeros', () => {
    const whole = Buffer.concat([...members, END_OF_TAR]);
    const state = ({ reader }: ReturnType<typeof readTar>) => [reader.hasEnded, reader.hasTrailingData];
    expect(state(readTar(whole))).toEqual([true, false]);
    expect(state(readTar(Buffer.concat(members)))).toEqual([false, false]);
    expect(state(readTar(Buffer.concat([...members, Buffer.alloc(512)])))).toEqual([false, false]);
    expect(state(readTar(Buffer.concat([whole, Buffer.alloc(70_000)]), 1000))).toEqual([true, false]);
    expect(state(readTar(Buffer.concat([whole, Buffer.alloc(70_000), Buffer.from('x')])))).toEqual([
      true,
      true,
    ]);
    expect(readTar(Buffer.concat([whole, ...members])).entries).toHaveLength(2);
  });

  test('a cut anywhere but between entries is an error', () => {
    const whole = Buffer.concat(members);
    const between = [0, 512 + 1024];
    for (let length = 0; length < whole.length; length += 64) {
      const cut = () => readTar(whole.subarray(0, length));
      if (between.includes(length)) expect(cut).not.toThrow();
      else expect(cut).toThrow('cut short');
    }
  });

  test('a single block of zeros between entries is an error', () => {
    const tar = Buffer.concat([tarMember({ name: 'a' }), Buffer.alloc(512), tarMember({ name: 'b' })]);
    expect(() => readTar(tar)).toThrow('a single block of zeros');
  });
});

describe('hostile headers', () => {
  test.each(['x', 'g', 'L', 'K'])(
    'a %s header that claims gigabytes is refused before it is read',
    (type) => {
      expect(() => readTar(tarMember({ name: 'x', type, size: 5_000_000_000 }))).toThrow('larger than 1 MiB');
    },
  );

  test('global headers do not add up without end', () => {
    const one = tarMember({ name: 'g', type: 'g', content: paxRecords({ comment: 'c'.repeat(7000) }) });
    expect(readTar(Buffer.concat([one, one])).entries).toHaveLength(2);
    expect(() => readTar(Buffer.concat([one, one, one]))).toThrow('larger than 16 KiB');
  });

  test.each([
    '5 a=',
    '99 path=a\n',
    '0 a=b\n',
    '-1 a=b\n',
    '6 a=b\n7',
    '7 path\n',
    '5 =b\n',
    'path=a\n',
    '7 a=b\nx',
    ' 7 a=b\n',
    '1',
    '4294967296 a=b\n',
  ])('PAX records %j are refused', (content) => {
    expect(() => readTar(buildTar([{ name: 'x', type: 'x', content }, { name: 'a' }]))).toThrow(
      'damaged PAX header',
    );
  });

  test('random bytes never do more than throw our error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (noise) => {
        const tar = Buffer.concat([
          tarMember({ name: 'x', type: 'x', content: noise }),
          tarMember({ name: 'a' }),
          noise,
        ]);
        try {
          readTar(tar);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ARCHIVE_INVALID' });
        }
      }),
    );
  });
});
