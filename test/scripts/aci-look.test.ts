/** `aci ls`, `aci cat` and `aci diff`, the built command, as a person runs it. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { longListing } from '../../scripts/long-listing.js';
import { catAci, type ListedAciEntry, listAci } from '../../server/index.js';
import { describeWith } from '../clients/programs.js';
import { type AciSpec, aciManifest, buildAciTar, compress } from '../fixtures/aci.js';
import { buildTar, type TarMember } from '../fixtures/tar.js';

const BOOTDEPOT = resolve('dist/scripts/bootdepot.js');
const BIG = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * index) % 251));
const LATIN1 = Buffer.from('rootfs/caf\xe9', 'latin1');

/** One of every kind of entry that images have. */
const MEMBERS: readonly TarMember[] = [
  { name: 'rootfs/bin/', type: '5', mode: 0o1777 },
  { name: 'rootfs/bin/tool', content: BIG, mode: 0o4755, uid: 1000, gid: 100, uname: 'core', gname: 'users' },
  { name: 'rootfs/bin/tool2', type: '1', linkName: 'rootfs/bin/tool', mode: 0o4755 },
  { name: 'rootfs/bin/tool3', type: '1', linkName: './rootfs/bin/tool2', mode: 0o4755 },
  { name: 'rootfs/bin/sh', type: '2', linkName: 'tool', mode: 0o777 },
  { name: 'rootfs/lib', type: '2', linkName: 'usr/lib', mode: 0o777 },
  { name: 'rootfs/null', type: '3', devMajor: 1, devMinor: 3, mode: 0o666 },
  { name: 'rootfs/disk', type: '4', devMajor: 259, devMinor: 300, mode: 0o2660 },
  { name: 'rootfs/pipe', type: '6', mtime: 1_479_912_345 },
  { name: 'rootfs/empty', uid: 4_000_000_000, gid: 4_000_000_001, mtime: 9_000_000_000 },
  { name: 'rootfs/é ü', content: 'two bytes each' },
  { name: LATIN1, content: 'no text' },
  { name: 'rootfs/back\\slash', content: 'one backslash' },
  { name: 'rootfs/new\nline', content: 'two lines' },
  { name: 'x', content: 'far away', pax: { path: `rootfs/${'long/'.repeat(60)}name` } },
  { name: 'rootfs/attr', content: 'a', pax: { 'SCHILY.xattr.user.k': Buffer.from([0xff, 0x61]) } },
];
const SPEC: AciSpec = { name: 'example.com/app', version: 'v1', labels: { os: 'linux', arch: 'amd64' } };
const FULL = buildAciTar({ ...SPEC, members: MEMBERS });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-look-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function put(name: string, bytes: Uint8Array): void {
  writeFileSync(join(folder, name), bytes);
}

const putAci = (name: string, spec: AciSpec) => put(name, gzipSync(buildAciTar({ ...SPEC, ...spec })));

function aciBytes(...args: readonly string[]) {
  const ended = spawnSync(process.execPath, [BOOTDEPOT, 'aci', ...args], { cwd: folder, maxBuffer: 1 << 28 });
  return { status: ended.status, out: ended.stdout, talk: ended.stderr.toString() };
}

function aci(...args: readonly string[]) {
  const { status, out, talk } = aciBytes(...args);
  return { status, out: out.toString(), talk };
}

/** What `aci ls` works with, without starting a program. */
async function entries(file: string, path?: string): Promise<ListedAciEntry[]> {
  const found: ListedAciEntry[] = [];
  await listAci(join(folder, file), path, (entry) => found.push(entry));
  return found;
}

/** What `aci cat` prints, likewise. */
async function cat(file: string, path: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await catAci(join(folder, file), path, async (bytes) => void parts.push(bytes));
  return Buffer.concat(parts);
}

const tar = (...args: readonly string[]): Buffer =>
  execFileSync('tar', args, { cwd: folder, maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C.UTF-8' } });

describe('aci ls', () => {
  test('lists an entry and what lies below it, named as in the archive or as in the rootfs', async () => {
    put('a.aci', FULL);
    const names = async (path?: string) => (await entries('a.aci', path)).map(({ name }) => name);
    const bin = ['', 'tool', 'tool2', 'tool3', 'sh'].map((name) => `rootfs/bin/${name}`);
    for (const path of ['/bin', '/bin/', 'rootfs/bin', './rootfs//bin'])
      expect(await names(path)).toEqual(bin);
    expect(await names('/bin/tool')).toEqual(['rootfs/bin/tool']);
    expect(await names('/')).toHaveLength(MEMBERS.length + 1);
    expect(await names('.')).toHaveLength(MEMBERS.length + 2);
    expect(await names()).toEqual(await names('.'));
    expect(await names('manifest')).toEqual(['manifest']);
    for (const [path, name] of [
      ['/é ü', 'rootfs/é ü'],
      ['/caf\\xe9', 'rootfs/caf\\xe9'],
      ['/back\\\\slash', 'rootfs/back\\\\slash'],
      ['/new\nline', 'rootfs/new\\x0aline'],
      ['/new\\x0aline', 'rootfs/new\\x0aline'],
    ] as const) {
      expect(await names(path)).toEqual([name]);
    }
  });

  test('tells a script everything of an entry', async () => {
    put('a.aci', FULL);
    const [tool] = JSON.parse(aci('ls', '--json', 'a.aci', '/bin/tool').out);
    expect(tool).toEqual({
      type: 'file',
      mode: 0o4755,
      uid: 1000,
      gid: 100,
      size: BIG.length,
      mtime: 0,
      name: 'rootfs/bin/tool',
      user: 'core',
      group: 'users',
    });
    expect((await entries('a.aci', '/null'))[0]?.device).toEqual({ major: 1, minor: 3 });
    expect((await entries('a.aci', '/attr'))[0]?.xattrs).toEqual({ 'user.k': '\\xffa' });
  });

  test('says what is wrong in one line', () => {
    put('a.aci', FULL);
    put('cut.aci', gzipSync(FULL).subarray(0, -20));
    expect(aci('ls', 'a.aci', '/gone')).toEqual({
      status: 1,
      out: '',
      talk: 'bootdepot: a.aci: nothing is at rootfs/gone\n',
    });
    const cut = aci('ls', 'cut.aci');
    expect([cut.status, cut.talk]).toEqual([
      1,
      expect.stringMatching(/^bootdepot: cut\.aci: damaged or cut gzip data.*\n$/),
    ]);
    expect(aci('ls', 'gone.aci').talk).toBe('bootdepot: gone.aci does not exist\n');
    expect(aci('ls').status).toBe(2);
  });

  test('ends quietly when nobody reads on', () => {
    putAci('a.aci', { members: Array.from({ length: 20_000 }, (_, index) => ({ name: `rootfs/${index}` })) });
    const { stdout, stderr } = spawnSync(
      'sh',
      ['-c', `"$1" "$2" aci ls a.aci | head -n 1`, 'sh', process.execPath, BOOTDEPOT],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    expect([stdout.split('\n').length, stderr]).toEqual([2, '']);
  });
});

describe('aci cat', () => {
  test.each(['gzip', 'bzip2', 'xz', 'none'] as const)(
    'gives the very bytes of a file out of %s',
    (compression) => {
      put('a.aci', compress(FULL, compression));
      const { status, out, talk } = aciBytes('cat', 'a.aci', '/bin/tool');
      expect({ status, talk, same: out.equals(BIG) }).toEqual({ status: 0, talk: '', same: true });
    },
  );

  test('follows hard links, takes names of any bytes, and the manifest', async () => {
    put('a.aci', FULL);
    for (const path of ['/bin/tool2', 'rootfs/bin/tool3'])
      expect((await cat('a.aci', path)).equals(BIG)).toBe(true);
    expect((await cat('a.aci', '/caf\\xe9')).toString()).toBe('no text');
    expect((await cat('a.aci', '/back\\\\slash')).toString()).toBe('one backslash');
    expect((await cat('a.aci', '/é ü')).toString()).toBe('two bytes each');
    expect((await cat('a.aci', `/${'long/'.repeat(60)}name`)).toString()).toBe('far away');
    expect(await cat('a.aci', '/empty')).toHaveLength(0);
    expect(JSON.parse((await cat('a.aci', 'manifest')).toString())).toEqual(aciManifest(SPEC));
  });

  test.each([
    ['/bin/sh', 'a.aci: rootfs/bin/sh is a symlink to tool: name that, expected a file'],
    ['/lib/x', 'a.aci: nothing is at rootfs/lib/x; rootfs/lib is a symlink to usr/lib'],
    ['/bin', 'a.aci: rootfs/bin is a directory, expected a file'],
    ['/pipe', 'a.aci: rootfs/pipe is a fifo, expected a file'],
    ['/../manifest2', 'a.aci: nothing is at manifest2; paths of the rootfs begin with /'],
    ['bin/tool', 'a.aci: nothing is at bin/tool; paths of the rootfs begin with /'],
  ])('says why there is nothing to print at %s', async (path, reason) => {
    put('a.aci', FULL);
    await expect(cat('a.aci', path)).rejects.toThrow(reason);
  });

  test('gives the last of two files of one name, as unpacking does', async () => {
    putAci('a.aci', {
      members: [
        { name: 'rootfs/a', content: 'first' },
        { name: './rootfs/a', content: 'second' },
      ],
    });
    expect((await cat('a.aci', '/a')).toString()).toBe('second');
  });

  test('prints nothing of an archive that is damaged behind the file', () => {
    put('a.aci', gzipSync(FULL).subarray(0, -20));
    expect(aci('cat', 'a.aci', 'manifest')).toEqual({
      status: 1,
      out: '',
      talk: expect.stringContaining('damaged or cut gzip data'),
    });
  });

  test('ends quietly when nobody reads on', () => {
    putAci('a.aci', { files: { big: Buffer.alloc(20_000_000, 'x') } });
    const { stdout, stderr } = spawnSync(
      'sh',
      ['-c', `"$1" "$2" aci cat a.aci /big | head -c 5`, 'sh', process.execPath, BOOTDEPOT],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    expect([stdout, stderr]).toEqual(['xxxxx', '']);
  });
});

describe('aci diff', () => {
  const lines = (...args: readonly string[]) =>
    aci('diff', ...args)
      .out.split('\n')
      .slice(0, -1);

  test('finds two packings of one image the same', () => {
    const [directory, ...others] = MEMBERS;
    put('a.aci', FULL);
    put(
      'b.aci',
      gzipSync(
        buildAciTar({
          ...SPEC,
          // The same hard links, their data at another name; other times, other names of owners.
          members: [directory ?? { name: '' }, ...others].map((member): TarMember => {
            if (member.name === 'rootfs/bin/tool')
              return { ...member, name: 'rootfs/bin/tool3', uname: '', mtime: 7 };
            if (member.name === 'rootfs/bin/tool2') return { ...member, linkName: 'rootfs/bin/tool3' };
            if (member.name === 'rootfs/bin/tool3')
              return { ...member, name: 'rootfs/bin/tool', linkName: 'rootfs/bin/tool3' };
            return member;
          }),
        }),
      ),
    );
    expect(aci('diff', 'a.aci', 'b.aci')).toEqual({ status: 0, out: '', talk: '' });
    expect(JSON.parse(aci('diff', '--json', 'a.aci', 'b.aci').out)).toEqual({
      same: true,
      differences: [],
      totals: {},
    });
  });

  test('says of each path what is different', () => {
    const member = (name: string, more: Partial<TarMember> = {}): TarMember => ({
      name: `rootfs/${name}`,
      content: 'abc',
      ...more,
    });
    const node = (more: Partial<TarMember>): TarMember => ({
      name: 'rootfs/node',
      type: '3',
      devMajor: 1,
      ...more,
    });
    putAci('a.aci', {
      members: [
        member('mode'),
        member('owner'),
        member('content'),
        member('size'),
        member('gone'),
        member('type'),
        { name: 'rootfs/link', type: '2', linkName: 'old' },
        member('xattr', { pax: { 'SCHILY.xattr.user.a': '1', 'SCHILY.xattr.user.b': '1' } }),
        member('one'),
        { name: 'rootfs/two', type: '1', linkName: 'rootfs/one' },
        node({ devMinor: 3 }),
        { name: LATIN1, content: 'x' },
      ],
    });
    putAci('b.aci', {
      members: [
        member('mode', { mode: 0o4755 }),
        member('owner', { uid: 5, gid: 6 }),
        member('content', { content: 'abd' }),
        member('size', { content: 'abcd' }),
        member('new\u001b[2J'),
        { name: 'rootfs/type', type: '5', mode: 0o644 },
        { name: 'rootfs/link', type: '2', linkName: 'new' },
        member('xattr', { pax: { 'SCHILY.xattr.user.b': Buffer.from([0xff]), 'SCHILY.xattr.user.c': '1' } }),
        member('one'),
        member('two'),
        node({ devMinor: 5 }),
        { name: LATIN1, content: 'y' },
      ],
    });
    const digest = (text: string) =>
      `sha256:${execFileSync('sha256sum', { input: text }).toString().slice(0, 64)}`;
    const [abc, abd, abcd, x, y] = ['abc', 'abd', 'abcd', 'x', 'y'].map(digest);
    expect(lines('a.aci', 'b.aci')).toEqual([
      `changed  rootfs/caf\\xe9: content ${x} -> ${y}`,
      `changed  rootfs/content: content ${abc} -> ${abd}`,
      'removed  rootfs/gone',
      'changed  rootfs/link: target old -> new',
      'changed  rootfs/mode: mode 0644 -> 4755',
      'added    rootfs/new\\x1b[2J',
      'changed  rootfs/node: device 1,3 -> 1,5',
      'changed  rootfs/owner: owner 0:0 -> 5:6',
      'changed  rootfs/size: size 3 -> 4',
      `changed  rootfs/size: content ${abc} -> ${abcd}`,
      'changed  rootfs/two: hard link rootfs/one -> none',
      'changed  rootfs/type: type file -> directory',
      'changed  rootfs/type: size 3 -> none',
      `changed  rootfs/type: content ${abc} -> none`,
      'changed  rootfs/xattr: xattr user.a 1 -> none',
      'changed  rootfs/xattr: xattr user.b 1 -> \\xff',
      'changed  rootfs/xattr: xattr user.c none -> 1',
    ]);
    const { status, talk } = aci('diff', 'a.aci', 'b.aci');
    expect([status, talk]).toEqual([
      1,
      'bootdepot: a.aci and b.aci are not the same: 10 changed, 1 removed, 1 added\n',
    ]);
  });

  test('compares manifests field by field, labels by their names', () => {
    putAci('a.aci', {
      labels: { os: 'linux', arch: 'amd64' },
      manifest: { app: { exec: ['/a', '-v'], user: '0', group: '0' } },
    });
    putAci('b.aci', {
      version: 'v2',
      labels: { arch: 'amd64', os: 'linux', layer: '\u009b2J' },
      manifest: { app: { exec: ['/a'], user: '0', group: '0' }, pathWhitelist: [] },
    });
    const { same, differences, totals } = JSON.parse(aci('diff', '--json', 'a.aci', 'b.aci').out);
    expect({ same, totals }).toEqual({ same: false, totals: { changed: 1 } });
    expect(differences).toEqual([
      {
        path: 'manifest',
        kind: 'changed',
        changes: [
          { what: 'labels[version].value', from: '"v1"', to: '"v2"' },
          { what: 'app.exec[1]', from: '"-v"' },
          { what: 'labels[layer].name', to: '"layer"' },
          { what: 'labels[layer].value', to: '"\\x9b2J"' },
          { what: 'pathWhitelist', to: '[]' },
        ],
      },
    ]);
    expect(lines('a.aci', 'b.aci')[0]).toBe('changed  manifest: labels[version].value "v1" -> "v2"');
  });

  test('refuses what is no image, whichever of the two it is', () => {
    putAci('a.aci', {});
    put('b.aci', gzipSync(buildTar([{ name: 'rootfs', type: '5' }])));
    for (const args of [
      ['a.aci', 'b.aci'],
      ['b.aci', 'a.aci'],
    ]) {
      expect(aci('diff', ...args)).toEqual({
        status: 1,
        out: '',
        talk: expect.stringContaining('b.aci: no manifest in it'),
      });
    }
  });
});

describeWith(['tar', 'bzip2', 'xz'], 'beside GNU tar', () => {
  test('aci ls writes what tar -tv writes of every kind of entry', () => {
    put('a.aci', FULL);
    const expected = tar('--quoting-style=literal', '-tvf', 'a.aci');
    const ours = aci('ls', 'a.aci').out;
    const inTars = expected
      .toString('latin1')
      .replace('caf\xe9', 'caf\\xe9')
      .replace('back\\slash', 'back\\\\slash')
      .replace('new\nline', 'new\\x0aline');
    expect(Buffer.from(ours).toString('latin1')).toBe(inTars);
  });

  test.each([
    ['gnu', 'z'],
    ['posix', 'j'],
    ['ustar', 'J'],
    ['oldgnu', ''],
  ])('an archive that tar made of files (%s, -%s) is listed and read alike', async (format, letter) => {
    const root = join(folder, 'rootfs');
    mkdirSync(join(root, 'sub/dir'), { recursive: true });
    put('manifest', Buffer.from(JSON.stringify(aciManifest(SPEC))));
    writeFileSync(join(root, 'sub/big'), BIG);
    writeFileSync(join(root, 'sub', 'n'.repeat(90)), 'long');
    linkSync(join(root, 'sub/big'), join(root, 'sub/same'));
    symlinkSync('../sub/big', join(root, 'sub/dir/link'));
    chmodSync(join(root, 'sub/dir'), 0o3750);
    chmodSync(join(root, 'sub/big'), 0o6711);
    utimesSync(join(root, 'sub/big'), 1_000_000_000.75, 1_000_000_000.75);
    tar(`-c${letter}f`, 'a.aci', `--format=${format}`, 'manifest', 'rootfs');
    const lines = (await entries('a.aci')).map(longListing());
    expect(`${lines.join('\n')}\n`).toBe(tar('-tvf', 'a.aci').toString());
    // Which of two hard links has the data is up to the order in which tar finds them; it extracts nothing of the other.
    const [one, other] = ['big', 'same'].map((name) => tar('-xOf', 'a.aci', `rootfs/sub/${name}`));
    expect([one?.length, other?.length].sort()).toEqual([0, BIG.length]);
    expect((await cat('a.aci', '/sub/big')).equals(BIG)).toBe(true);
    for (const name of [`rootfs/sub/${'n'.repeat(90)}`, 'manifest']) {
      const out = await cat('a.aci', name);
      expect(out.equals(tar('-xOf', 'a.aci', name))).toBe(true);
    }
    expect((await cat('a.aci', '/sub/same')).equals(BIG)).toBe(true);
  });
});
