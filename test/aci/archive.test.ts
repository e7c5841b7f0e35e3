/** Archives that were made to take all time or memory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from '@jest/globals';
import { type AciLimits, cleanPath, readAci } from '../../server/aci/archive.js';
import { validateAci } from '../../server/aci/validate.js';
import { buildAciTar } from '../fixtures/aci.js';
import { buildTar, type TarMember, tarMember } from '../fixtures/tar.js';

const folder = mkdtempSync(join(tmpdir(), 'bootdepot-archive-'));
const path = join(folder, 'image.aci');
const LIMITS: AciLimits = { entries: 10, nameBytes: 1000, tarBytes: 100_000 };

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(bytes: Uint8Array, limits?: AciLimits): Promise<string[]> {
  const names: string[] = [];
  writeFileSync(path, bytes);
  await readAci(
    path,
    {
      event(event) {
        if (event.kind === 'entry') names.push(event.entry.name);
        return undefined;
      },
    },
    limits,
  );
  return names;
}

const many = (count: number, member: (index: number) => TarMember): Buffer =>
  gzipSync(buildTar(Array.from({ length: count }, (_, index) => member(index))));

test('the number of entries, the length of their names and the unpacked size have limits', async () => {
  const full = many(10, (index) => ({ name: `f${index}` }));
  expect(await read(full, LIMITS)).toHaveLength(10);
  const beyond: [Buffer, string][] = [
    [many(11, (index) => ({ name: `f${index}` })), 'more than 10 entries'],
    [many(5, () => ({ name: 'x', pax: { path: 'p'.repeat(300) } })), 'more than 1000 bytes of names'],
    [many(1, () => ({ name: 'x', content: Buffer.alloc(200_000) })), 'more than 100000 bytes uncompressed'],
  ];
  for (const [bytes, message] of beyond) {
    await expect(read(bytes, LIMITS)).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining(message),
    });
  }
});

test('a manifest that unpacks to gigabytes is refused at its header', async () => {
  const claim = tarMember({ name: 'manifest', size: 3_000_000_000 });
  const { problems } = await validate(gzipSync(Buffer.concat([claim, Buffer.alloc(2_000_000)])));
  expect(problems).toContain('manifest: it has 3000000000 bytes, expected at most 4194304');
});

test('PAX headers that never come to an entry are read in little memory and found wanting', async () => {
  const header = tarMember({ name: 'x', type: 'x', content: '12 path=abc\n' });
  const { problems } = await validate(gzipSync(Buffer.concat(Array.from({ length: 50_000 }, () => header))));
  expect(problems).toContain('more than 16 headers of the tar speak of one entry');
});

test('of very many problems the first are told, and how many more there are', async () => {
  const strangers = many(500, (index) => ({ name: `stranger${index}/x` }));
  const { problems } = await validate(strangers);
  expect(problems).toHaveLength(2 + 101);
  expect(problems.slice(0, 2)).toEqual([
    expect.stringContaining('no manifest'),
    expect.stringContaining('no rootfs'),
  ]);
  expect(problems.at(-1)).toBe('and 400 more problems');
});

test('a folder that does not belong there is told once, not for each file in it', async () => {
  const members = Array.from({ length: 50 }, (_, index) => ({ name: `usr/bin/f${index}` }));
  expect((await validate(buildAciTar({ members }))).problems).toEqual([
    'usr/bin/f0: is outside of the layout, expected "manifest", "rootfs" and what lies below it',
  ]);
});

test('a hundred thousand entries are judged', async () => {
  const members = Array.from({ length: 100_000 }, (_, index) => ({ name: `rootfs/${index % 100}/${index}` }));
  expect((await validate(gzipSync(buildAciTar({ members }), { level: 1 }))).problems).toEqual([]);
});

test('all problems of an archive are told, those before the damage and the damage', async () => {
  const tar = buildAciTar({
    name: 'Bad',
    members: [
      { name: 'etc', type: '5' },
      { name: 'rootfs/l', type: '1', linkName: 'rootfs/gone' },
      { name: 'rootfs/l' },
      { name: 'rootfs/x', badChecksum: true },
    ],
  });
  expect((await validate(tar)).problems).toEqual([
    expect.stringContaining('manifest: name: is "Bad"'),
    'not a tar header: its checksum is wrong',
    expect.stringContaining('etc: is outside of the layout'),
    'rootfs/l: is a hard link to rootfs/gone, expected an entry before it',
    'rootfs/l: is there twice, expected once',
  ]);
});

test.each([
  ['./a//b/', 'a/b'],
  ['/manifest', '/manifest'],
  ['./', '.'],
  ['', '.'],
  ['rootfs/../../x', '../x'],
  ['/', '/'],
])('the path %j is %j', (name, clean) => {
  expect(cleanPath(name)).toBe(clean);
});

function validate(bytes: Uint8Array) {
  writeFileSync(path, bytes);
  return validateAci(path);
}
