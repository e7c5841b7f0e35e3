/**
 * Layers and configs that are small, and would take hours or all memory if the work for an entry grew with their number
 * (section 7). Nothing here measures time: what is quadratic does not end within the time of a test.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseImageConfig } from '../../server/convert/config.js';
import { imageManifest } from '../../server/convert/image-manifest.js';
import { NameHash } from '../../server/convert/name-hash.js';
import { convertImage, validateAci } from '../../server/index.js';
import { memorySource } from '../fixtures/memory-image.js';
import { readTar } from '../fixtures/read-tar.js';
import { buildTar, END_OF_TAR, paxRecords, type TarMember, tarMember } from '../fixtures/tar.js';

/** Ten and a hundred times as many by hand: `MANY=1000000`. */
const MANY = Number(process.env.MANY ?? 10_000);

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-shapes-'));
  path = join(folder, 'image.aci');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const many = (make: (index: number) => TarMember): TarMember[] =>
  Array.from({ length: MANY }, (_, index) => make(index));
const layers = (...all: readonly (readonly TarMember[])[]): Uint8Array[] =>
  all.map((members) => gzipSync(buildTar(members), { level: 1 }));

/** Converts, and checks the archive by appc's rules. @returns its paths below the root, without the links in /dev */
async function convert(stored: readonly Uint8Array[]): Promise<string[]> {
  await convertImage(memorySource({ layers: stored }), { path, level: 1, compression: 'none' });
  expect(await validateAci(path)).toMatchObject({ problems: [] });
  const names = readTar(readFileSync(path)).entries.map(({ entry }) =>
    entry.name.replace(/^rootfs\/|\/$/g, ''),
  );
  return names.slice(2).filter((name) => !name.startsWith('dev/'));
}

async function refused(stored: readonly Uint8Array[], message: RegExp): Promise<void> {
  await expect(convertImage(memorySource({ layers: stored }), { path })).rejects.toMatchObject({
    code: 'IMAGE_INVALID',
    message: expect.stringMatching(message),
  });
  expect(readdirSync(folder)).toEqual([]);
}

const file = (index: number): TarMember => ({ name: `d/f${index}` });

describe('very many', () => {
  test('whiteouts of all that is in one folder', async () => {
    const hidden = many((index) => ({ name: `d/.wh.f${index}` }));
    expect(await convert(layers(many(file), hidden))).toEqual(['d']);
  });

  test('opaque markers of one folder, and whiteouts of what is not there', async () => {
    const opaque = many((index) => ({ name: index % 2 === 0 ? 'd/.wh..wh..opq' : `d/.wh.g${index}` }));
    expect(await convert(layers(many(file), opaque))).toEqual(['d']);
  });

  test('entries of one name', async () => {
    const one = many((index) => ({ name: 'a', type: index % 2 === 0 ? '0' : '5' }));
    expect(await convert(layers([...one, { name: 'a/b' }]))).toEqual(['a', 'a/b']);
  });

  test('hard links that come before their target', async () => {
    const early = many((index) => ({ name: `l${index}`, type: '1', linkName: 'target' }));
    expect(await convert(layers([...early, { name: 'target' }]))).toHaveLength(MANY + 1);
  });

  test('folders in turns, so that none is the one of before', async () => {
    const turns = many((index) => ({ name: `${'d/'.repeat(1 + (index % 20))}f${index}` }));
    expect(await convert(layers(turns))).toHaveLength(MANY + 20);
  });

  test('names of users', async () => {
    const owned = many((index) => ({ name: `f${index}`, uname: `user-${index}`, gname: `group-${index}` }));
    expect(await convert(layers(owned))).toHaveLength(MANY);
  });
});

describe('symbolic links', () => {
  const chain = (target: (index: number) => string): TarMember[] =>
    Array.from({ length: 39 }, (_, index) => ({ name: `s${index}`, type: '2', linkName: target(index) }));

  test('a chain of them is followed for each entry below it', async () => {
    const below = many((index) => ({ name: index % 2 === 0 ? `s0/f${index}` : `other/f${index}` }));
    const found = await convert(
      layers(
        chain((index) => `s${index + 1}`),
        below,
      ),
    );
    expect(found).toHaveLength(MANY + 39 + 2);
    expect(found).toContain('s39/f0');
  });

  test('long targets in a chain, each gone through for each entry, are refused', async () => {
    const long = chain((index) => `${'x/../'.repeat(18)}s${index + 1}`);
    const below = many((index) => ({ name: index % 2 === 0 ? `s0/f${index}` : `other/f${index}` }));
    await refused(layers(long, below), /names on the ways of symbolic links/);
  });

  test('targets that double each other come to an end', async () => {
    const twice = Array.from({ length: 60 }, (_, index) => ({
      name: `t${index}`,
      type: '2',
      linkName: `t${index + 1}/../t${index + 1}`,
    }));
    await refused(layers(twice, [{ name: 't0/f' }]), /not a directory/);
  });
});

describe('headers', () => {
  test('without an end, which speak of no entry', async () => {
    const header = tarMember({ name: 'x', type: 'x', content: paxRecords({ path: 'y' }) });
    await refused(
      [Buffer.concat([...Array.from({ length: 50 }, () => header), tarMember({ name: 'a' })])],
      /more than 16 headers/,
    );
  });

  test('for all entries, which are looked through for each', async () => {
    const records = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`some.key.${index}`, 'x']));
    const global = tarMember({ name: 'g', type: 'g', content: paxRecords(records) });
    const entries = many((index) => ({ name: `f${index}`, pax: { mtime: '1.5' } }));
    expect(
      await convert([gzipSync(Buffer.concat([global, ...entries.map(tarMember), END_OF_TAR]))]),
    ).toHaveLength(MANY);
  });

  test('with more names of owners than an image has text', async () => {
    const pax = { uname: 'u'.repeat(900_000) };
    const owned = Array.from({ length: 20 }, (_, index) => ({ name: `f${index}`, pax }));
    const limits = { entries: 100, names: 100, text: 5_000_000, size: 1e9, ratio: 1e9, ratioFrom: 1 };
    const source = memorySource({ layers: layers(owned) });
    await expect(convertImage(source, { path, limits })).rejects.toMatchObject({
      message: expect.stringMatching(/more than 5000000 bytes of names/),
    });
  });
});

describe('a config', () => {
  const make = (config: object): { app: { mountPoints: { name: string }[] } } => {
    const source = memorySource({ layers: [Buffer.from('layer')], config: { config } });
    return JSON.parse(imageManifest(source, parseImageConfig(source.config), () => undefined).toString());
  };
  const volumes = (paths: readonly string[]) => ({
    Volumes: Object.fromEntries(paths.map((one) => [one, {}])),
  });

  test('with very many volumes whose names in appc are one', () => {
    const spelled = Array.from({ length: MANY }, (_, index) => [...index.toString(2).padStart(16, '0')]);
    const paths = spelled.map(
      (digits) => `/a${digits.map((digit) => (digit === '0' ? '_' : '.')).join('')}b`,
    );
    const names = make(volumes(paths)).app.mountPoints.map(({ name }) => name);
    expect(new Set(names).size).toBe(MANY);
  });

  test('with a name of nothing but what has no letter in appc', () => {
    const [point] = make(volumes([`/a${'_'.repeat(500_000)}b`])).app.mountPoints;
    expect(point?.name).toHaveLength('volume-ab'.length + 500_000);
  });
});

describe('the hash of names', () => {
  const names = Array.from(
    { length: 8192 },
    (_, index) => `n${String.fromCharCode(97 + (index % 26))}${index << 12}`,
  );

  test('spreads names over buckets, whatever is alike in them', () => {
    const hash = new NameHash();
    const buckets = new Uint32Array(1024);
    for (const name of names) {
      const bucket = hash.of(1, name) & 1023;
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    expect(Math.max(...buckets)).toBeLessThan(40);
  });

  test('is that of HalfSipHash-1-3, and another with another key', () => {
    const key = Buffer.from([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(VECTORS.map(([number, text]) => new NameHash(key).of(number, text))).toEqual(
      VECTORS.map(([, , hash]) => hash),
    );
    expect(new NameHash().of(1, 'a')).not.toBe(new NameHash().of(1, 'a'));
  });
});

/** By the reference implementation, over the number in four bytes and the text. */
const VECTORS: readonly (readonly [number: number, text: string, hash: number])[] = [
  [0, '', -1342901473],
  [1, 'a', 890762363],
  [7, 'abc', -1756744090],
  [7, 'abcd', 1415827447],
  [-1, 'abcde', -1618989120],
  [4000000, '\xff\xfe\x80', 1350110113],
];
