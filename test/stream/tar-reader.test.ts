import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { TarEntry } from '../../server/stream/tar-entry.js';
import { readTar } from '../fixtures/read-tar.js';
import { buildTar, END_OF_TAR, gnuLong, paxRecords, type TarMember, tarMember } from '../fixtures/tar.js';

function first(...members: readonly TarMember[]): TarEntry {
  const entry = readTar(buildTar(members)).entries[0]?.entry;
  if (entry === undefined) throw new Error('no entry');
  return entry;
}

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

describe('what an entry is called', () => {
  test('the prefix of ustar stands before the name, that of GNU is something else', () => {
    expect(first({ name: 'b', prefix: 'a' }).name).toBe('a/b');
    expect(first({ name: 'b', prefix: 'a', magic: 'gnu' }).name).toBe('b');
    expect(first({ name: 'n'.repeat(100), prefix: 'p'.repeat(155) }).name).toBe(
      `${'p'.repeat(155)}/${'n'.repeat(100)}`,
    );
  });

  test('names are bytes: what is not UTF-8 comes out as it went in', () => {
    const bytes = Buffer.from([0x61, 0xff, 0xc3, 0x28]);
    expect(Buffer.from(first({ name: bytes }).name, 'latin1')).toEqual(bytes);
    expect(Buffer.from(first({ name: 'x', pax: { path: bytes } }).name, 'latin1')).toEqual(bytes);
    expect(first({ name: 'ü' }).name).toBe(latin1('ü'));
  });

  test('PAX and GNU headers rename the next entry only', () => {
    const tar = Buffer.concat([
      tarMember({ name: 'short', pax: { path: 'long/ü', linkpath: 'to' } }),
      tarMember({ name: 'plain', linkName: 'x' }),
      gnuLong('L', 'g'.repeat(300)),
      gnuLong('K', 'k'.repeat(300)),
      tarMember({ name: 'short', type: '2', linkName: 'short' }),
      tarMember({ name: 'last' }),
      END_OF_TAR,
    ]);
    const names = readTar(tar).entries.map(({ entry }) => [entry.name, entry.linkName]);
    expect(names).toEqual([
      [latin1('long/ü'), 'to'],
      ['plain', 'x'],
      ['g'.repeat(300), 'k'.repeat(300)],
      ['last', ''],
    ]);
  });

  test('an empty PAX value leaves what the header says; the last of two records counts', () => {
    expect(first({ name: 'a', uid: 7, pax: { path: '', uid: '' } })).toMatchObject({ name: 'a', uid: 7 });
    const records = Buffer.concat([paxRecords({ path: 'one' }), paxRecords({ path: 'two' })]);
    expect(
      readTar(buildTar([{ name: 'x', type: 'x', content: records }, { name: 'a' }])).entries[0]?.entry.name,
    ).toBe('two');
  });

  test('global records hold for all that follow, below what is said of one', () => {
    const global = { name: 'g', type: 'g', content: paxRecords({ uid: '1', gid: '2' }) };
    const { entries } = readTar(buildTar([global, { name: 'a' }, { name: 'b', pax: { uid: '9' } }]));
    expect(entries.map(({ entry }) => [entry.type, entry.uid, entry.gid])).toEqual([
      ['global-header', 0, 0],
      ['file', 1, 2],
      ['file', 9, 2],
    ]);
  });
});

describe('numbers', () => {
  test('what octal cannot hold comes in base 256 or in PAX records', () => {
    expect(first({ name: 'a', uid: 4_000_000_000, gid: 3, mtime: 9_000_000_000 })).toMatchObject({
      uid: 4_000_000_000,
      gid: 3,
      mtime: 9_000_000_000,
    });
    expect(first({ name: 'a', mtime: -5 }).mtime).toBe(-5);
    expect(first({ name: 'a', pax: { uid: '5000000000', mtime: '-1.25' } })).toMatchObject({
      uid: 5_000_000_000,
      mtime: -2,
      mtimeNanoseconds: 750_000_000,
    });
    expect(first({ name: 'a', pax: { mtime: '1350244992.0239601089' } })).toMatchObject({
      mtime: 1_350_244_992,
      mtimeNanoseconds: 23_960_108,
    });
  });

  test.each([
    ['a size beyond all measure', { name: 'a', pax: { size: '99999999999999999999' } }],
    ['a negative size', { name: 'a', size: -1 }],
    ['a size that is no number', { name: 'a', pax: { size: '1e3' } }],
    ['a time that is no number', { name: 'a', pax: { mtime: 'now' } }],
    ['a wrong checksum', { name: 'a', badChecksum: true }],
    ['a NUL in a name', { name: 'a', pax: { path: 'a\0b' } }],
  ] satisfies [string, TarMember][])('%s is refused', (_name, member) => {
    expect(() => readTar(buildTar([member]))).toThrow(expect.objectContaining({ code: 'ARCHIVE_INVALID' }));
  });

  test('a checksum summed over signed bytes, as old writers did, is good', () => {
    const tar = buildTar([{ name: Buffer.from([0x61, 0xff]) }]);
    const signed = [...tar.subarray(0, 512)].reduce(
      (sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : (byte << 24) >> 24),
      0,
    );
    tar.write(`${signed.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    expect(readTar(tar).entries).toHaveLength(1);
  });
});

describe('what an entry carries', () => {
  test('extended attributes are bytes', () => {
    const value = Buffer.from([1, 0, 0, 2, 0xff, 0x0a]);
    const { xattrs } = first({ name: 'a', pax: { 'SCHILY.xattr.security.capability': value, comment: 'x' } });
    expect([...xattrs]).toEqual([['security.capability', value.toString('latin1')]]);
  });

  test('links, devices, directories and fifos carry no data, whatever their size says', () => {
    for (const type of ['1', '2', '3', '4', '5', '6']) {
      const { entries } = readTar(
        buildTar([
          { name: 'a', type, size: 5000 },
          { name: 'b', content: 'b' },
        ]),
      );
      expect(entries.map(({ entry, data }) => [entry.name, entry.size, data])).toEqual([
        ['a', 0, ''],
        ['b', 1, 'b'],
      ]);
    }
  });

  test('the size of a PAX record counts, not that of the header', () => {
    expect(
      readTar(buildTar([{ name: 'a', content: 'abc', size: 0, pax: { size: '3' } }])).entries[0]?.data,
    ).toBe('abc');
  });

  test('types are told by their flag; old archives mark a directory by the end of its name', () => {
    const types = ['0', '\0', '7', '1', '2', '3', '4', '5', '6', 'V', 'D'].map(
      (type) => first({ name: 'a', type }).type,
    );
    expect(types).toEqual([
      ...[
        'file',
        'file',
        'file',
        'hard-link',
        'symlink',
        'character-device',
        'block-device',
        'directory',
        'fifo',
      ],
      ...['unknown', 'unknown'],
    ]);
    expect(first({ name: 'd/', type: '\0', magic: 'v7' })).toMatchObject({ type: 'directory', format: 'v7' });
    expect(first({ name: 'd/', type: '0' }).type).toBe('file');
  });

  test('sparse files are named as such, old GNU maps are passed over', () => {
    expect(first({ name: 'a', pax: { 'GNU.sparse.major': '1', 'GNU.sparse.name': 'b' } })).toMatchObject({
      type: 'sparse',
      name: 'b',
    });
    const header = tarMember({ name: 's', type: 'S', magic: 'gnu', content: 'data' });
    header[482] = 1;
    header.write('        ', 148, 'latin1');
    const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    const [more, end] = [Buffer.alloc(512), Buffer.alloc(512)];
    more[504] = 1;
    const tar = Buffer.concat([header.subarray(0, 512), more, end, header.subarray(512), END_OF_TAR]);
    for (const size of [tar.length, 100]) {
      expect(readTar(tar, size).entries.map(({ entry, data }) => [entry.type, data])).toEqual([
        ['sparse', 'data'],
      ]);
    }
  });
});

test('the cut of the bytes makes no difference', () => {
  const tar = Buffer.concat([
    tarMember({ name: 'a', content: 'a'.repeat(1300), pax: { path: 'long', mtime: '1.5' } }),
    gnuLong('L', 'l'.repeat(600)),
    tarMember({ name: 'b', magic: 'gnu', content: 'b'.repeat(512) }),
    tarMember({ name: 'c', type: '5' }),
    END_OF_TAR,
  ]);
  const whole = readTar(tar).entries;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1500 }), (size) => {
      expect(readTar(tar, size).entries).toEqual(whole);
    }),
    { numRuns: 60 },
  );
});
