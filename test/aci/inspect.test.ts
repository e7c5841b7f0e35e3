import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from '@jest/globals';
import { inspectAci } from '../../server/aci/inspect.js';
import { describeWith } from '../clients/programs.js';
import { buildAciTar, compress } from '../fixtures/aci.js';
import { buildTar } from '../fixtures/tar.js';

const folder = mkdtempSync(join(tmpdir(), 'bootdepot-inspect-'));
const path = join(folder, 'image.aci');
const tar = buildAciTar({
  version: 'v1',
  manifest: { unknown: true },
  files: { 'bin/tool': 'x'.repeat(1_000_000) },
  members: [
    { name: 'rootfs/bin/sh', type: '2', linkName: 'tool', mode: 0o777 },
    { name: 'rootfs/bin/again', type: '1', linkName: 'rootfs/bin/tool', uid: 7, gid: 8, mtime: 9 },
    { name: Buffer.from('rootfs/\x1b\xff', 'latin1'), mode: 0o4755, content: 'abc' },
  ],
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function inspect(bytes: Uint8Array) {
  writeFileSync(path, bytes);
  return inspectAci(path);
}

describeWith(['bzip2', 'xz'], 'the image ID', () => {
  test.each(['gzip', 'bzip2', 'xz', 'none'] as const)(
    'is that of the uncompressed archive, in %s',
    async (compression) => {
      const bytes = compress(tar, compression);
      const digest = createHash('sha512').update(tar).digest('hex');
      expect(await inspect(bytes)).toMatchObject({
        compression,
        fileBytes: bytes.length,
        tarBytes: tar.length,
        imageId: {
          id: `sha512-${digest}`,
          full: `sha512-${digest.slice(0, 64)}`,
          short: `sha512-${digest.slice(0, 32)}`,
        },
      });
    },
  );
});

test('padding after the end mark counts for the image ID', async () => {
  const padded = Buffer.concat([tar, Buffer.alloc(9000)]);
  const { imageId } = await inspect(gzipSync(padded));
  expect(imageId.id).toBe(`sha512-${createHash('sha512').update(padded).digest('hex')}`);
});

test('the manifest comes as it stands there, the entries in their order', async () => {
  const { manifest, entries, problems } = await inspect(gzipSync(tar));
  expect(manifest).toMatchObject({ name: 'example.com/app', unknown: true });
  expect(problems).toEqual([]);
  expect(entries.map(({ type, mode, size, name, target }) => [type, mode, size, name, target])).toEqual([
    ['file', 0o644, expect.any(Number), 'manifest', undefined],
    ['directory', 0o755, 0, 'rootfs', undefined],
    ['file', 0o644, 1_000_000, 'rootfs/bin/tool', undefined],
    ['symlink', 0o777, 0, 'rootfs/bin/sh', 'tool'],
    ['hard-link', 0o644, 0, 'rootfs/bin/again', 'rootfs/bin/tool'],
    ['file', 0o4755, 3, 'rootfs/\\x1b\\xff', undefined],
  ]);
  expect(entries[4]).toMatchObject({ uid: 7, gid: 8, mtime: 9 });
});

test('a manifest that breaks rules is shown with its problems', async () => {
  const { manifest, problems } = await inspect(buildAciTar({ name: 'Bad' }));
  expect(manifest).toMatchObject({ name: 'Bad' });
  expect(problems).toEqual([expect.stringContaining('manifest: name: is "Bad"')]);
});

test.each([
  ['no manifest', buildTar([{ name: 'rootfs', type: '5' }]), 'no manifest in it'],
  ['a manifest that is no JSON', buildAciTar({ manifestText: '{' }), 'manifest: it is not JSON'],
  ['a cut archive', gzipSync(tar).subarray(0, -20), 'damaged or cut gzip data'],
])('%s is an error', async (_name, bytes, message) => {
  await expect(inspect(bytes)).rejects.toMatchObject({ code: 'ACI_INVALID' });
  await expect(inspect(bytes)).rejects.toThrow(message);
});
