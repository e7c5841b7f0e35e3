/** What `/metrics` says of the registry after clients have done this and that. */
import { open } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { digestOf, imageOf, RegistryClient } from '../../fixtures/registry-client.js';
import { until } from '../../fixtures/until.js';

let depot: LiveDepot;
let client: RegistryClient;
beforeAll(async () => {
  depot = await startLiveDepot({ settings: { 'registry.delete': true } });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterAll(() => depot.remove());

/** The registry's figures by name and label. */
async function figures(): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${depot.port}/metrics`)).text();
  const lines = text.matchAll(/^bootdepot_registry_(\w+)(?:\{\w+="(\w+)"\})? (\d+)$/gm);
  return Object.fromEntries(
    [...lines].map(([, name, label, value]) => [`${name} ${label ?? ''}`.trim(), Number(value)]),
  );
}

/** What changed while something was done. An answer is counted when it has ended, which a client may see first. */
async function changes(work: () => Promise<unknown>, expected: Record<string, number>): Promise<void> {
  const before = await figures();
  await work();
  let changed: Record<string, number> = {};
  await until(async () => {
    const after = await figures();
    const names = Object.keys(after).filter((name) => after[name] !== (before[name] ?? 0));
    changed = Object.fromEntries(names.map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
    return Object.keys(expected).every((name) => changed[name] === expected[name]);
  });
  expect(changed).toEqual(expected);
}

const IMAGE = imageOf(['one layer', 'another layer']);
const BLOB_BYTES = IMAGE.blobs.reduce((sum, { length }) => sum + length, 0);

test('pushes and pulls are counted by kind, with their bytes', async () => {
  await changes(() => client.push('a/b', 'v1', IMAGE), {
    'pushes_total blob': 3,
    'pushed_bytes_total blob': BLOB_BYTES,
    'pushes_total manifest': 1,
    'pushed_bytes_total manifest': IMAGE.manifest.length,
  });
  const [, layer = Buffer.alloc(0)] = IMAGE.blobs;
  await changes(
    async () => {
      for (const reference of ['v1', IMAGE.digest])
        await (await client.get(`a/b/manifests/${reference}`)).text();
      await (await client.get(`a/b/blobs/${digestOf(layer)}`)).text();
      await (await client.get(`a/b/blobs/${digestOf(layer)}`, { Range: 'bytes=0-3' })).text();
    },
    {
      'pulls_total manifest': 2,
      'pulled_bytes_total manifest': 2 * IMAGE.manifest.length,
      'pulls_total blob': 2,
      'pulled_bytes_total blob': layer.length + 4,
    },
  );
});

test('a look, an answer without content and a list are no pulls', async () => {
  await client.push('quiet', 'v1', IMAGE);
  await changes(async () => {
    await client.ask('HEAD', 'quiet/manifests/v1');
    await client.get('quiet/manifests/v1', { 'If-None-Match': `"${IMAGE.digest}"` });
    await (await client.get('quiet/tags/list')).text();
    await (await client.get('quiet/manifests/missing')).text();
  }, {});
});

test('mounts and deletions are counted', async () => {
  await client.push('source', 'v1', IMAGE);
  const [blob = Buffer.alloc(0)] = IMAGE.blobs;
  await changes(() => client.ask('POST', `target/blobs/uploads/?mount=${digestOf(blob)}&from=source`), {
    mounts_total: 1,
  });
  await changes(
    async () => {
      await client.ask('DELETE', 'source/manifests/v1');
      await client.ask('DELETE', `source/manifests/${IMAGE.digest}`);
      await client.ask('DELETE', `source/blobs/${digestOf(blob)}`);
    },
    { 'deletes_total tag': 1, 'deletes_total manifest': 1, 'deletes_total blob': 1 },
  );
});

test('pushes that are refused are counted by the code of the error', async () => {
  await changes(
    async () => {
      await client.pushBlob('refused', 'bytes', digestOf('others'));
      await client.pushManifest('refused', 'v1', '{');
      await client.pushManifest('refused', 'v1', imageOf(['never pushed']).manifest);
    },
    {
      'refused_pushes_total DIGEST_INVALID': 1,
      'refused_pushes_total MANIFEST_INVALID': 1,
      'refused_pushes_total MANIFEST_BLOB_UNKNOWN': 1,
    },
  );
});

test('an upload is one while its bytes come, and a client that leaves is counted', async () => {
  const location = await client.begin('slow');
  const before = await figures();
  const upload = request(`http://127.0.0.1:${depot.port}${location}`, { method: 'PATCH' });
  upload.on('error', () => undefined);
  upload.write('the first bytes');
  await until(async () => (await figures()).uploads === 1);
  upload.destroy();
  await until(async () => (await figures()).uploads === 0);
  const reason = 'refused_pushes_total CLIENT_LEFT';
  await until(async () => (await figures())[reason] === (before[reason] ?? 0) + 1);
});

test('content that is damaged is counted when it is put aside', async () => {
  const digest = digestOf('will be damaged');
  await client.pushBlob('damaged', 'will be damaged');
  const hex = digest.slice('sha256:'.length);
  const blobs = join(depot.folder, 'data/registry/docker/registry/v2/blobs/sha256');
  const file = await open(join(blobs, hex.slice(0, 2), hex, 'data'), 'r+');
  await file.write('W', 0);
  await file.close();
  await changes(() => client.get(`damaged/blobs/${digest}`).catch(() => undefined), { quarantined_total: 1 });
});
