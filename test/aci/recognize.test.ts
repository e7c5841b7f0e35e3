import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { recognizeAci } from '../../server/aci/recognize.js';
import { type AciSpec, buildAci } from '../fixtures/aci.js';
import { buildTar } from '../fixtures/tar.js';

const folder = mkdtempSync(join(tmpdir(), 'bootdepot-recognize-'));
const path = join(folder, 'image.aci');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function recognize(bytes: Uint8Array): Promise<void> {
  writeFileSync(path, bytes);
  await recognizeAci(path);
}

test.each<[string, AciSpec]>([
  ['gzip', {}],
  ['no compression', { compression: 'none' }],
  ['a manifest that only aci validate would complain about', { manifest: { acVersion: 'new' } }],
])('an image with %s is one', async (_, spec) => {
  await expect(recognize(await buildAci(spec))).resolves.toBeUndefined();
});

test.each<[string, AciSpec, string]>([
  [
    'a pod manifest',
    { manifest: { acKind: 'PodManifest' } },
    'acKind: is "PodManifest", expected "ImageManifest"',
  ],
  ['no kind', { manifest: { acKind: undefined } }, 'acKind: is missing'],
  ['a number for its name', { manifest: { name: 7 } }, 'name: is of type number, expected a-z'],
  ['a bad name', { name: 'Quay.io/\u001b[2J' }, 'name: is "Quay.io/\\x1b[2J", expected a-z'],
  ['a long bad name', { name: 'A'.repeat(5000) }, `name: is "${'A'.repeat(100)}", expected`],
  ['an app without a user', { manifest: { app: { group: '0' } } }, 'app.user: is missing, expected'],
  [
    'an app with an empty group',
    { manifest: { app: { user: '0', group: '' } } },
    'app.group: is empty, expected',
  ],
  ['no JSON', { manifestText: '<html>' }, 'it is not JSON'],
  ['a list', { manifestText: '[]' }, 'acKind: is missing'],
  ['null', { manifestText: 'null' }, 'acKind: is missing'],
  ['an empty manifest', { manifestText: '' }, 'it is not JSON'],
])('an archive with %s is none', async (_, spec, problem) => {
  await expect(recognize(await buildAci(spec))).rejects.toMatchObject({
    code: 'ACI_INVALID',
    message: expect.stringContaining(`${path}: manifest: ${problem}`),
  });
});

test('an archive of something else is none', async () => {
  const other = buildTar([{ name: 'rootfs', type: '5' }]);
  await expect(recognize(other)).rejects.toThrow('no manifest in it');
  await expect(recognize(Buffer.from('text'))).rejects.toMatchObject({ code: 'ACI_INVALID' });
  await expect(recognize(buildTar([{ name: 'manifest', type: '5' }]))).rejects.toThrow(
    'expected a regular file',
  );
});
