/** The rules by which layers are laid over each other, one by one (section 4, checks 3 and 5 to 10). */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { convertImage, validateAci } from '../../server/index.js';
import { describeWith, hasProgram } from '../clients/programs.js';
import { compress } from '../fixtures/aci.js';
import { type AciTree, readAciTree, sha256 } from '../fixtures/aci-tree.js';
import { memorySource } from '../fixtures/memory-image.js';
import { buildTar, END_OF_TAR, gnuLong, type TarMember, tarMember } from '../fixtures/tar.js';
import { expectUnpacks } from '../fixtures/unpacked-aci.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-rules-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Converts twice: the bytes must be the same, and keep the rules of appc. */
async function convertBytes(...layers: Uint8Array[]): Promise<AciTree> {
  const path = join(folder, 'image.aci');
  const again = join(folder, 'again.aci');
  await convertImage(memorySource({ layers }), { path });
  await convertImage(memorySource({ layers, pieceBytes: 777 }), { path: again });
  expect(readFileSync(again).equals(readFileSync(path))).toBe(true);
  expect(await validateAci(path)).toMatchObject({ problems: [] });
  return readAciTree(path);
}

const convert = (...layers: (readonly TarMember[])[]): Promise<AciTree> =>
  convertBytes(...layers.map((members) => buildTar(members)));

const STDIO = ['dev/fd', 'dev/stderr', 'dev/stdin', 'dev/stdout'];

/** What is in an image, as `d dir`, `f file=content`, `s link>target`; files of several names as `f a+b=content`. */
function listing({ files }: AciTree): string[] {
  const lines = [...files].flatMap(([path, { type, content, target, names }]) => {
    if (path === '' || STDIO.includes(path) || names[0] !== path) return [];
    const known = CONTENTS.find((text) => sha256(text) === content);
    const value = target !== undefined ? `>${target}` : content !== undefined ? `=${known}` : '';
    return [`${type.slice(0, 1)} ${names.join('+')}${value}`];
  });
  return lines.sort();
}

const CONTENTS = ['', '1', '2', '3'];
const f = (name: string, content = '1'): TarMember => ({ name, content });
const d = (name: string): TarMember => ({ name, type: '5' });
const s = (name: string, linkName: string): TarMember => ({ name, type: '2', linkName });
const h = (name: string, linkName: string): TarMember => ({ name, type: '1', linkName });

interface Rule {
  readonly rule: string;
  readonly layers: readonly (readonly TarMember[])[];
  /** What is there then, or what is said. */
  readonly gives: readonly string[] | RegExp;
}

const RULES: readonly Rule[] = [
  { rule: '5. a whiteout hides a file', layers: [[f('a'), f('b')], [f('.wh.a')]], gives: ['f b=1'] },
  { rule: '5. a whiteout hides a tree', layers: [[f('t/x/y'), f('tt')], [f('.wh.t')]], gives: ['f tt=1'] },
  { rule: '5. a whiteout of nothing is nothing', layers: [[f('a')], [f('x/y/.wh.z')]], gives: ['f a=1'] },
  {
    rule: '5. what is hidden may come back above',
    layers: [[f('a')], [f('.wh.a')], [f('a', '2')]],
    gives: ['f a=2'],
  },
  {
    rule: '5. or in the same layer, before the marker',
    layers: [[f('t/a')], [f('t/b', '2'), f('.wh.t')]],
    gives: ['d t', 'f t/b=2'],
  },
  { rule: '5. or after it', layers: [[f('a')], [f('.wh.a'), f('a', '2')]], gives: ['f a=2'] },
  { rule: '5. a marker does not touch its own layer', layers: [[f('.wh.a'), f('a')]], gives: ['f a=1'] },
  {
    rule: '5. an opaque directory keeps nothing from below',
    layers: [
      [f('d/x'), f('e')],
      [f('d/y', '2'), f('d/.wh..wh..opq')],
    ],
    gives: ['d d', 'f d/y=2', 'f e=1'],
  },
  {
    rule: '5. an opaque root',
    layers: [
      [f('a'), f('b/c')],
      [f('.wh..wh..opq'), f('z')],
    ],
    gives: ['f z=1'],
  },
  {
    rule: '5. names that only look like markers',
    layers: [[f('.wh'), f('x.wh.y'), d('d.wh.e')], [f('.wh.z')]],
    gives: ['d d.wh.e', 'f .wh=1', 'f x.wh.y=1'],
  },
  {
    rule: '5. marks of other file systems are skipped',
    layers: [[f('.wh..wh.plnk/x', '2'), f('.wh..wh.aufs')]],
    gives: ['d .wh..wh.plnk', 'f .wh..wh.plnk/x=2'],
  },
  { rule: '5. a whiteout of no name', layers: [[f('d/.wh.')]], gives: /names nothing/ },
  { rule: '5. a whiteout of the directory itself', layers: [[f('d/.wh..')]], gives: /names nothing/ },
  { rule: '5. a whiteout of the directory above', layers: [[f('d/.wh...')]], gives: /names nothing/ },
  { rule: '6. a file over a directory', layers: [[f('a/b')], [f('a', '2')]], gives: ['f a=2'] },
  { rule: '6. a directory over a file', layers: [[f('a')], [d('a')]], gives: ['d a'] },
  {
    rule: '6. a directory over a directory keeps what is in it',
    layers: [[f('a/b')], [d('a')]],
    gives: ['d a', 'f a/b=1'],
  },
  {
    rule: '6. a directory over a link',
    layers: [
      [d('r'), s('a', 'r')],
      [d('a/'), f('a/x')],
    ],
    gives: ['d a', 'd r', 'f a/x=1'],
  },
  { rule: '6. a link over a directory', layers: [[f('a/b')], [s('a', 'x')]], gives: ['s a>x'] },
  {
    rule: '6. twice in one layer: the last wins',
    layers: [[f('a'), f('a', '2'), d('b'), f('b/x'), d('b')]],
    gives: ['d b', 'f a=2', 'f b/x=1'],
  },
  {
    rule: '6. one path, spelled in many ways',
    layers: [[f('./a'), f('/a', '2'), f('q/../a', '3'), d('x//./y/')]],
    gives: ['d x', 'd x/y', 'f a=3'],
  },
  { rule: '6. a file in the way of a directory', layers: [[f('a')], [f('a/b')]], gives: /not a directory/ },
  {
    rule: '7. links bind names to one file',
    layers: [[f('a'), h('b', 'a'), h('c', '/b'), h('e', './a')]],
    gives: ['f a+b+c+e=1'],
  },
  {
    rule: '7. the first name goes, the others stay',
    layers: [[f('a'), h('b', 'a'), h('c', 'a')], [f('.wh.a')]],
    gives: ['f b+c=1'],
  },
  { rule: '7. a later name goes', layers: [[f('a'), h('b', 'a')], [f('.wh.b')]], gives: ['f a=1'] },
  {
    rule: '7. one name is replaced, the others keep the old content',
    layers: [[f('a'), h('b', 'a')], [f('a', '2')]],
    gives: ['f a=2', 'f b=1'],
  },
  {
    rule: '7. a target in a lower layer',
    layers: [[f('a')], [h('b', 'a'), h('c', 'b')]],
    gives: ['f a+b+c=1'],
  },
  { rule: '7. a target that comes later', layers: [[h('b', 'z'), f('z')]], gives: ['f b+z=1'] },
  {
    rule: '7. a target that comes later, the link replaced meanwhile',
    layers: [[h('b', 'z'), f('b', '2'), f('z')]],
    gives: ['f b=2', 'f z=1'],
  },
  { rule: '7. a link to a symbolic link', layers: [[s('a', 'x'), h('b', 'a')]], gives: ['s a+b>x'] },
  { rule: '7. a link to itself', layers: [[f('a')], [h('a', 'a')]], gives: ['f a=1'] },
  { rule: '7. a target that is missing', layers: [[h('b', 'a')]], gives: /which is not there/ },
  {
    rule: '7. a target that was hidden',
    layers: [[f('a')], [f('.wh.a'), h('b', 'a')]],
    gives: /which is not there/,
  },
  { rule: '7. a target outside', layers: [[h('b', '../../etc/shadow')]], gives: /above the root/ },
  { rule: '7. a link to a directory', layers: [[d('a'), h('b', 'a')]], gives: /is a directory/ },
  {
    rule: '8. writing through a link of a lower layer',
    layers: [[d('r'), s('s', 'r')], [f('s/f')]],
    gives: ['d r', 'f r/f=1', 's s>r'],
  },
  {
    rule: '8. an absolute link begins at the root again',
    layers: [[d('r'), s('x/s', '/r')], [f('x/s/f')]],
    gives: ['d r', 'd x', 'f r/f=1', 's x/s>/r'],
  },
  {
    rule: '8. no link leads out',
    layers: [[s('s', '../../..')], [f('s/etc/f')]],
    gives: ['d etc', 'f etc/f=1', 's s>../../..'],
  },
  {
    rule: '8. a link to what is missing makes it',
    layers: [[s('s', 'r/t')], [f('s/f')]],
    gives: ['d r', 'd r/t', 'f r/t/f=1', 's s>r/t'],
  },
  {
    rule: '8. markers go through links too',
    layers: [[f('r/f'), s('s', 'r')], [f('s/.wh.f')]],
    gives: ['d r', 's s>r'],
  },
  { rule: '8. links in a circle', layers: [[s('a', 'b'), s('b', 'a'), f('a/x')]], gives: /not a directory/ },
  { rule: '1. a name above the root', layers: [[f('a/../../b')]], gives: /above the root/ },
  {
    rule: '1. files called manifest and rootfs',
    layers: [[f('manifest'), f('rootfs/x', '2')]],
    gives: ['d rootfs', 'f manifest=1', 'f rootfs/x=2'],
  },
  { rule: 'a root that is no directory', layers: [[s('./', 'x')]], gives: /root is a symlink/ },
  { rule: 'a type that nobody knows', layers: [[{ name: 'a', type: 'Z' }]], gives: /has the type Z/ },
  { rule: 'no entries at all', layers: [[]], gives: [] },
];

test.each(RULES)('$rule', async ({ layers, gives }) => {
  if (gives instanceof RegExp) {
    await expect(convert(...layers)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringMatching(gives),
    });
  } else {
    const tree = await convert(...layers);
    expect(listing(tree)).toEqual(gives);
    if (hasProgram('tar')) expectUnpacks(join(folder, 'image.aci'), tree.files);
  }
});

test('an image without layers is refused', async () => {
  await expect(convertBytes()).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
});

test('the topmost entry for the root gives its attributes', async () => {
  const { files, order } = await convert(
    [{ ...d('./'), mode: 0o700 }],
    [{ ...d('/'), mode: 0o711, uid: 7 }],
    [f('a')],
  );
  expect(files.get('')).toMatchObject({ type: 'directory', mode: 0o711, uid: 7 });
  expect(order.slice(0, 2)).toEqual(['manifest', 'rootfs']);
});

test('9. names, targets and attributes come through byte for byte', async () => {
  const name = Buffer.from(`caf\xe9/${'\xff'.repeat(120)}/x`, 'latin1');
  const linkName = Buffer.from(`\x01\xfe${'t'.repeat(150)}`, 'latin1');
  const value = Buffer.from([1, 0, 0, 2, 0xff, 0xfe, 0x0a, 0x3d]);
  const pax = {
    path: name,
    'SCHILY.xattr.security.capability': value,
    'SCHILY.xattr.trusted.x': 'y',
    mtime: '-1.25',
  };
  const { files } = await convertBytes(
    Buffer.concat([
      tarMember({ name: 'short', content: '1', uid: 4_000_000_000, mode: 0o4755, pax }),
      gnuLong('K', linkName),
      tarMember({ name: 's', type: '2', magic: 'gnu' }),
      tarMember({ name: 'n', uid: -2, type: '3', magic: 'gnu', devMajor: 1, devMinor: 3 }),
      END_OF_TAR,
    ]),
  );
  expect(files.get(name.toString('latin1'))).toMatchObject({
    uid: 4_000_000_000,
    mode: 0o4755,
    mtime: '-2+750000000',
    xattrs: { 'security.capability': value.toString('latin1'), 'trusted.x': 'y' },
  });
  expect(files.get('s')?.target).toBe(linkName.toString('latin1'));
  expect(files.get('n')).toMatchObject({ type: 'character-device', device: '1:3', uid: -2 });
});

describe('10. the four links in /dev', () => {
  test.each([
    ['none there', [[f('a')]], STDIO],
    ['some in the base, of any type', [[f('dev/stdin'), d('dev/fd')]], ['dev/stderr', 'dev/stdout']],
    ['hidden by a layer', [[f('dev/stdin')], [f('dev/.wh.stdin')]], STDIO],
  ] as const)('%s', async (_, layers, added) => {
    const { files } = await convert(...layers);
    const links = STDIO.filter((path) => files.get(path)?.type === 'symlink');
    expect(links).toEqual(added);
    for (const path of links) {
      const target = { 'dev/stdin': '/proc/self/fd/0', 'dev/fd': '/proc/self/fd' }[path] ?? '/dev/console';
      expect(files.get(path)).toMatchObject({ target, mode: 0o777, uid: 0, gid: 0, mtime: '0+0' });
    }
  });

  test('a /dev that is no directory is refused', async () => {
    await expect(convert([s('dev', '/x')])).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });
});

describe('3. what a layer may be stored as', () => {
  const tar = buildTar([f('a')]);

  test('zero bytes, zero blocks, and gzip of nothing are layers with nothing in them', async () => {
    const tree = await convertBytes(
      tar,
      Buffer.alloc(0),
      Buffer.alloc(1024),
      gzipSync(''),
      gzipSync(Buffer.alloc(10_240)),
    );
    expect(listing(tree)).toEqual(['f a=1']);
  });

  test('gzip in several members', async () => {
    const parts = [gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))];
    expect(listing(await convertBytes(Buffer.concat(parts)))).toEqual(['f a=1']);
  });

  test('the old v7 form, where a slash at its end makes a directory', async () => {
    const v7 = [
      { ...f('x/'), type: '\0', magic: 'v7', content: '' },
      { ...f('x/y'), type: '\0', magic: 'v7' },
      { ...f('z/'), magic: 'v7', content: '' },
    ] as const;
    expect(listing(await convert(v7))).toEqual(['d x', 'd z', 'f x/y=1']);
  });

  test.each([
    ['text', Buffer.from('this is no archive'.repeat(100))],
    ['a few zeros', Buffer.alloc(100)],
    ['JSON', Buffer.from('{"errors":[]}')],
    ['gzip of text', gzipSync('this is no archive'.repeat(100))],
    ['half a header', tar.subarray(0, 300)],
    ['damaged gzip', Buffer.concat([gzipSync(tar).subarray(0, 60), Buffer.alloc(10, 7)])],
    ['a header with a wrong checksum', buildTar([{ ...f('a'), badChecksum: true }])],
  ])('%s is an error, not an empty layer', async (_, bytes) => {
    await expect(convertBytes(bytes)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining('layer sha256:'),
    });
  });
});

describeWith(['bzip2', 'xz', 'zstd'], '3. other compressions', () => {
  const tar = buildTar([f('a'), f('b', '2')]);
  const zstd = (...args: string[]) => execFileSync('zstd', ['-q', '-c', ...args], { input: tar });
  test.each([
    ['bzip2', () => compress(tar, 'bzip2')],
    ['xz', () => compress(tar, 'xz')],
    ['zstd', () => zstd()],
    ['zstd without a checksum', () => zstd('--no-check')],
    ['zstd with a large window', () => zstd('--ultra', '-22', '--long=27')],
    [
      'two frames of zstd, and one to be skipped between',
      () => {
        const skipped = Buffer.from('502a4d1804000000abcdabcd', 'hex');
        const half = (bytes: Buffer) => execFileSync('zstd', ['-q', '-c'], { input: bytes });
        return Buffer.concat([half(tar.subarray(0, 600)), skipped, half(tar.subarray(600))]);
      },
    ],
  ])('%s', async (_, make) => {
    expect(listing(await convertBytes(make()))).toEqual(['f a=1', 'f b=2']);
  });

  test.each(['bzip2', 'xz', 'zstd'] as const)('%s that is cut or damaged is an error', async (kind) => {
    const whole = kind === 'zstd' ? zstd() : compress(tar, kind);
    const damaged = Buffer.from(whole);
    damaged[whole.length >> 1] = (damaged[whole.length >> 1] ?? 0) ^ 0x10;
    for (const bytes of [
      whole.subarray(0, -1),
      whole.subarray(0, 20),
      damaged,
      Buffer.concat([whole, Buffer.from('x')]),
    ]) {
      await expect(convertBytes(bytes)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    }
  });
});
