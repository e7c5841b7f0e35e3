/** Sparse files of layers: their holes become zeros, and maps that lie are refused (section 4, reading tar; section 7). */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DEFAULT_LIMITS } from '../../server/convert/limits.js';
import { convertImage, validateAci } from '../../server/index.js';
import { describeWith, hasProgram } from '../clients/programs.js';
import { readAciTree } from '../fixtures/aci-tree.js';
import { memorySource } from '../fixtures/memory-image.js';
import { buildTar, END_OF_TAR, type TarMember, tarMember } from '../fixtures/tar.js';
import { expectUnpacks } from '../fixtures/unpacked-aci.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-sparse-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Converts a layer. @returns the SHA-256 of each file's content by name */
async function convert(layer: Buffer, pieceBytes?: number): Promise<Record<string, string>> {
  const path = join(folder, 'image.aci');
  await convertImage(memorySource({ layers: [layer], ...(pieceBytes && { pieceBytes }) }), { path });
  expect(await validateAci(path)).toMatchObject({ problems: [] });
  const tree = readAciTree(path);
  if (hasProgram('tar')) expectUnpacks(path, tree.files);
  const files = [...tree.files].filter(([, { type }]) => type === 'file');
  return Object.fromEntries(files.map(([name, { content = '' }]) => [name, content]));
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describeWith(['tar'], 'what GNU tar stores of sparse files', () => {
  const long = `${'d'.repeat(120)}/${'f'.repeat(130)}`;
  /** Size, and where there is data. A map of four parts fits into an old header, 25 need two blocks more. */
  const FILES: Readonly<Record<string, readonly [size: number, ...parts: number[]]>> = {
    'all-hole': [300_000],
    'data-at-the-end': [200_000, 196_608],
    'data-at-both-ends': [500_000, 0, 491_520],
    many: [100 * 8192 + 7, ...Array.from({ length: 100 }, (_, index) => index * 8192)],
    'not-sparse': [4096, 0],
    [long]: [90_000, 40_960],
  };
  let source: string;
  beforeAll(() => {
    source = join(folder, 'source');
    for (const [name, [size, ...parts]] of Object.entries(FILES)) {
      mkdirSync(join(source, name, '..'), { recursive: true });
      const file = openSync(join(source, name), 'w');
      ftruncateSync(file, size);
      for (const [index, offset] of parts.entries())
        writeSync(file, Buffer.alloc(3000, `${index} `), 0, 3000, offset);
      closeSync(file);
    }
  });

  test.each([
    ['gnu', '0.0'],
    ['pax', '0.0'],
    ['pax', '0.1'],
    ['pax', '1.0'],
  ])('in the format %s, sparse version %s', async (format, version) => {
    const options = ['--sparse', `--format=${format}`, `--sparse-version=${version}`, '--hole-detection=raw'];
    const tar = execFileSync('tar', [...options, '-C', source, '-c', ...Object.keys(FILES)]);
    // Smaller than the files: there are holes in it.
    expect(tar.length).toBeLessThan(900_000);
    const expected = Object.keys(FILES).map((name) => [name, sha256(readFileSync(join(source, name)))]);
    for (const pieceBytes of [undefined, 1000]) {
      expect(await convert(tar, pieceBytes)).toEqual(Object.fromEntries(expected));
    }
  });
});

const digits = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;

/** A file in the old GNU form: parts as offset and length, `blocks` of the map after the header. */
function oldSparse(
  realSize: number,
  header: readonly number[],
  blocks: readonly Buffer[],
  content: string,
): Buffer {
  const member = tarMember({ name: 'a', type: 'S', magic: 'gnu', content });
  for (const [index, value] of header.entries()) member.write(digits(value), 386 + 12 * index, 'latin1');
  member[482] = blocks.length > 0 ? 1 : 0;
  member.write(digits(realSize), 483, 'latin1');
  member.write('        ', 148, 'latin1');
  const sum = member.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  member.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([member.subarray(0, 512), ...blocks, member.subarray(512), END_OF_TAR]);
}

const inPax = (pax: Record<string, string>, content = 'data'): Buffer =>
  buildTar([{ name: 'x', content, pax } as TarMember]);
const version1 = (realSize: string, content: string): Buffer =>
  inPax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': realSize }, content);
const mapText = (text: string, data: string): string =>
  `${text.padEnd(Math.ceil(text.length / 512) * 512, '\0')}${data}`;

test('a map written by hand is read as it stands', async () => {
  const expected = { a: sha256(Buffer.from('\0\0da\0ta\0\0\0')) };
  expect(await convert(oldSparse(10, [2, 2, 5, 2], [], 'data'))).toEqual(expected);
  const pax = { 'GNU.sparse.name': 'a', 'GNU.sparse.size': '10', 'GNU.sparse.map': '0,0,2,2,5,2,10,0' };
  expect(await convert(inPax(pax))).toEqual(expected);
});

describe('a map that lies is refused', () => {
  const more = Buffer.alloc(512);
  more[504] = 1;
  const pax01 = (map: string, size = '10') => inPax({ 'GNU.sparse.size': size, 'GNU.sparse.map': map });
  test.each<[string, Buffer, RegExp]>([
    ['parts that overlap', pax01('0,3,2,1'), /overlap/],
    ['parts that go back', pax01('6,2,0,2'), /overlap/],
    ['half a part', pax01('0,4,6'), /half a part/],
    ['a part beyond the end', pax01('0,2,9,2'), /beyond the end/],
    ['less than is stored', pax01('0,2'), /2 bytes in its parts, but 4 are stored/],
    ['more than is stored', pax01('0,9'), /9 bytes in its parts/],
    ['a length that is none', pax01('0,x'), /PAX/],
    ['a size beyond all numbers', pax01('0,4', '9'.repeat(30)), /PAX/],
    ['no size', inPax({ 'GNU.sparse.map': '0,4' }), /PAX/],
    ['a form of the future', inPax({ 'GNU.sparse.major': '2', 'GNU.sparse.minor': '0' }), /the form 2.0/],
    ['an old map whose parts overlap', oldSparse(10, [0, 3, 2, 1], [], 'data'), /overlap/],
    ['a negative offset', inPax({ 'GNU.sparse.size': '9', 'GNU.sparse.map': '-1,4' }), /PAX/],
    ['a map in the data without end', version1('10', `${'1'.repeat(600)}`), /16 digits/],
    ['a map in the data that is cut short', version1('10', mapText('9\n0\n4\n', '')), /sparse file|PAX/],
    ['no map in the data', version1('10', ''), /no map/],
    [
      'a map in the data with other sums',
      version1('10', mapText('1\n0\n5\n', 'data')),
      /5 bytes in its parts/,
    ],
    ['a map of a million parts', version1('10', `1000000\n${'0\n'.repeat(600_000)}`), /larger than 1 MiB/],
    [
      'old blocks without end',
      oldSparse(
        10,
        [0, 4],
        Array.from({ length: 2100 }, () => more),
        '',
      ),
      /larger than 1 MiB/,
    ],
  ])('%s', async (_, layer, message) => {
    const path = join(folder, 'refused.aci');
    await expect(convertImage(memorySource({ layers: [layer] }), { path })).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringMatching(message),
    });
    expect(readdirSync(folder)).not.toContain('refused.aci');
  });
});

test('holes count as bytes do: against the limit of all bytes, and against the ratio', async () => {
  const path = join(folder, 'huge.aci');
  const hole = memorySource({ layers: [oldSparse(8 ** 11 - 1, [], [], '')] });
  await expect(convertImage(hole, { path })).rejects.toMatchObject({
    code: 'IMAGE_INVALID',
    message: expect.stringMatching(/more than 1100 times/),
  });
  const limits = { ...DEFAULT_LIMITS, size: 1_000_000 };
  await expect(convertImage(hole, { path, limits })).rejects.toMatchObject({
    message: expect.stringMatching(/more than 1000000 bytes/),
  });
});

test('a hole is never in memory as a whole', async () => {
  const path = join(folder, 'large.aci');
  const hole = memorySource({ layers: [oldSparse(300_000_000, [], [], '')] });
  const before = process.memoryUsage.rss();
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 5);
  const { tarBytes } = await convertImage(hole, { path, level: 1 });
  clearInterval(watch);
  expect(tarBytes).toBeGreaterThan(300_000_000);
  expect(most - before).toBeLessThan(100_000_000);
});
