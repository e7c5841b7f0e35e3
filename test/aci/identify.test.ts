import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from '@jest/globals';
import { identifyAci } from '../../server/aci/identify.js';
import { describeWith } from '../clients/programs.js';
import { buildAci, buildAciTar } from '../fixtures/aci.js';
import { buildTar, tarMember } from '../fixtures/tar.js';

const folder = mkdtempSync(join(tmpdir(), 'bootdepot-identify-'));
const path = join(folder, 'image.aci');

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function identify(bytes: Uint8Array) {
  writeFileSync(path, bytes);
  return identifyAci(path);
}

describeWith(['bzip2', 'xz'], 'an image', () => {
  test.each(['gzip', 'bzip2', 'xz', 'none'] as const)(
    'in %s is known by its content, not its name',
    async (compression) => {
      const other = join(folder, 'anything.tgz');
      writeFileSync(other, await buildAci({ name: 'quay.io/coreos/etcd', version: 'v2', compression }));
      const found = await identifyAci(other);
      expect(found).toMatchObject({
        compression,
        manifest: { name: 'quay.io/coreos/etcd', labels: [{ name: 'version', value: 'v2' }] },
      });
    },
  );
});

test('the archive is read no further than its manifest', async () => {
  const tar = buildAciTar({ files: { big: Buffer.alloc(3_000_000, 'x') } });
  expect((await identify(gzipSync(tar).subarray(0, 2000))).manifest.name).toBe('example.com/app');
});

test('a manifest that stands last is found', async () => {
  const content = JSON.stringify({ acKind: 'ImageManifest', acVersion: '0.8.11', name: 'late' });
  const big = { name: 'rootfs/big', content: Buffer.alloc(5_000_000) };
  expect((await identify(gzipSync(buildTar([big, { name: './manifest', content }])))).manifest.name).toBe(
    'late',
  );
});

test.each([
  [
    'text',
    Buffer.from('#!ipxe\n'),
    'neither compressed nor a ustar archive, expected a tar, plain or with gzip',
  ],
  ['nothing', Buffer.alloc(0), 'an empty file'],
  ['another tar', gzipSync(buildTar([{ name: 'a' }])), 'no manifest in it'],
  ['gzip of a text', gzipSync('hello '.repeat(999)), 'not a tar header'],
  ['half a gzip header', gzipSync('x').subarray(0, 5), 'damaged or cut gzip data'],
  [
    'a cut manifest',
    tarMember({ name: 'manifest', content: 'x'.repeat(900) }).subarray(0, 1024),
    'cut short',
  ],
  ['a pod', buildAciTar({ manifest: { acKind: 'PodManifest' } }), 'manifest: acKind: is "PodManifest"'],
  [
    'a bad name',
    buildAciTar({ name: 'Bad Name' }),
    'manifest: name: is "Bad Name", expected an AC identifier',
  ],
  [
    'a manifest of 5 MiB',
    tarMember({ name: 'manifest', size: 5 << 20 }),
    'it has 5242880 bytes, expected at most',
  ],
  [
    'a manifest that is a link',
    buildTar([{ name: 'manifest', type: '2' }]),
    'it is a symlink, expected a regular',
  ],
])('%s is refused by name, with what was expected', async (_name, bytes, message) => {
  const failure = identify(bytes);
  await expect(failure).rejects.toMatchObject({ code: 'ACI_INVALID' });
  await expect(failure).rejects.toThrow(`${path}: `);
  await expect(failure).rejects.toThrow(message);
});

test('a folder, a fifo and a missing file are told from images without waiting', async () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  await expect(identifyAci(fifo)).rejects.toThrow('not a regular file, expected an ACI');
  await expect(identifyAci(folder)).rejects.toMatchObject({ code: 'ACI_INVALID' });
  await expect(identifyAci(join(folder, 'gone.aci'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('what cannot be read is no question of its content', async () => {
  const secret = join(folder, 'secret.aci');
  writeFileSync(secret, 'x');
  chmodSync(secret, 0o000);
  const isRoot = spawnSync('id', ['-u']).stdout.toString().trim() === '0';
  const code = isRoot ? 'ACI_INVALID' : 'ACCESS_DENIED';
  await expect(identifyAci(secret)).rejects.toMatchObject({ code });
});

test('what a manifest says cannot reach the terminal as it is', async () => {
  await expect(identify(buildAciTar({ name: 'a\u001b[2J\u202e' }))).rejects.toThrow(/^[\x20-\x7e…]*$/);
});
