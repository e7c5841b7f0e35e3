/** What can go wrong while an image of the registry becomes an ACI: nothing half-made, clear answers, and then it works. */
import { randomBytes } from 'node:crypto';
import * as real from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { LiveDepot } from '../fixtures/live-depot.js';
import { digestOf, imageOf, RegistryClient, type TestImage } from '../fixtures/registry-client.js';
import { imageWith, pushImage } from '../fixtures/registry-images.js';
import { until } from '../fixtures/until.js';
import { startUpstream, type UpstreamRegistry } from '../fixtures/upstream-registry.js';
import { CrashingDisk } from '../registry/crash/crashing-disk.js';

const disk = new CrashingDisk(real);
jest.unstable_mockModule('node:fs/promises', () => disk.module);
const { startLiveDepot } = await import('../fixtures/live-depot.js');
const { askAsRkt } = await import('../fixtures/rkt-client.js');
const { testKeyFolder } = await import('../fixtures/test-key.js');

let depot: LiveDepot;
let upstream: UpstreamRegistry;

beforeEach(async () => {
  upstream = await startUpstream();
  depot = await startLiveDepot({
    settings: { 'registry.upstreams': { 'quay.io': { url: upstream.url } } },
    upstreamTiming: { backoff: 1 },
  });
  await real.rm(join(depot.folder, 'keys'), { recursive: true });
  await testKeyFolder(depot.folder);
});
afterEach(async () => {
  await depot.remove();
  await upstream.stop();
});

const get = (path: string) => askAsRkt(depot.port, path);
const cached = () => real.readdir(join(depot.folder, 'data/aci-cache'));
const image = (name: string): TestImage => imageWith([{ name, content: randomBytes(100_000) }]);
const layerOf = ({ blobs }: TestImage): Buffer => blobs[1] ?? Buffer.alloc(0);

/** Asks until it is an ACI with its signature. */
async function expectFetched(path: string): Promise<void> {
  expect((await get(path)).status).toBe(200);
  expect((await get(`${path}.asc`)).status).toBe(200);
}

test('two images are converted at once, and others wait for them', async () => {
  const tags = ['a', 'b', 'c', 'd', 'e'];
  const images = tags.map(image);
  for (const [index, tag] of tags.entries()) upstream.put('app', tag, images[index] ?? image(tag));
  const layers = new Set(images.map((each) => digestOf(layerOf(each))));
  const waiting: (() => void)[] = [];
  upstream.script = (req, _, serve) => {
    const digest = req.url?.split('/').at(-1) ?? '';
    if (layers.has(digest)) {
      waiting.push(serve);
      return;
    }
    serve();
  };
  const answers = tags.map((tag) => get(`/aci/quay.io/app:${tag}.aci`));
  const seen: number[] = [];
  for (let left = tags.length; left > 0; ) {
    await until(() => waiting.length >= Math.min(left, 2));
    // One that came too early would be here by now: it needs no answer of ours.
    for (let turn = 0; turn < 20; turn += 1) await get('/healthz');
    seen.push(waiting.length);
    left -= waiting.length;
    for (const serve of waiting.splice(0)) serve();
  }
  expect(seen).toEqual([2, 2, 1]);
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(tags.map(() => 200));
});

test('an image beyond convert.limits is refused by the bound', async () => {
  await depot.remove();
  depot = await startLiveDepot({ settings: { 'convert.limits.size': '50KiB' } });
  await pushImage(depot.port, 'team/large', 'v1', image('large'));
  const { status, body } = await get('/aci/team/large:v1.aci');
  expect([status, body.toString()]).toEqual([422, expect.stringContaining('51200')]);
  expect(await cached()).toEqual([]);
});

describe('a layer that is damaged', () => {
  const pathOf = (digest: string): string => {
    const hex = digest.slice('sha256:'.length);
    return join(depot.folder, 'data/registry/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
  };

  test('is told, is not converted, and is once it was pushed again', async () => {
    const good = await pushImage(depot.port, 'team/app', 'v1', image('a'));
    const path = pathOf(digestOf(layerOf(good)));
    const bytes = Buffer.from(layerOf(good));
    bytes[5_000] = (bytes[5_000] ?? 0) ^ 1;
    await real.writeFile(path, bytes);
    const { status, body } = await get('/aci/team/app:v1.aci');
    expect([status, body.toString()]).toEqual([422, expect.stringContaining(digestOf(layerOf(good)))]);
    expect(await cached()).toEqual([]);
    await pushImage(depot.port, 'team/app', 'v1', good);
    await expectFetched('/aci/team/app:v1.aci');
  });

  test('or gone is answered without a path of the server', async () => {
    const broken = imageOf(['this is no archive at all'.repeat(100)]);
    const gone = image('gone');
    await pushImage(depot.port, 'team/broken', 'v1', broken);
    await pushImage(depot.port, 'team/gone', 'v1', gone);
    await pushImage(depot.port, 'team/folder', 'v1', image('folder'));
    await real.rm(pathOf(digestOf(layerOf(gone))));
    const answers = [
      await get('/aci/team/broken:v1.aci'),
      await get('/aci/team/gone:v1.aci'),
      await get('/aci/team/none:v1.aci'),
      await get('/aci/..%2f..%2fetc:v1.aci'),
    ];
    await real.rm(join(depot.folder, 'data/aci-cache'), { recursive: true });
    await real.writeFile(join(depot.folder, 'data/aci-cache'), '');
    answers.push(await get('/aci/team/folder:v1.aci'));
    expect(answers.slice(0, -1).map(({ status }) => status)).toEqual([422, 404, 404, 404]);
    expect(answers.at(-1)?.status).toBeGreaterThanOrEqual(400);
    for (const { body, headers } of answers) {
      expect(`${body}${JSON.stringify(headers)}`).not.toMatch(/bootdepot-live|\/data|ENOENT|ENOTDIR|\bat /);
    }
  });
});

test('an upstream that always cuts a layer is answered 502, leaves nothing, and is asked again', async () => {
  const far = image('far');
  upstream.put('app', 'v1', far);
  const bytes = layerOf(far);
  const cut = (req: IncomingMessage, res: ServerResponse, serve: () => void): void => {
    if (!req.url?.endsWith(digestOf(bytes))) {
      serve();
      return;
    }
    res.writeHead(200, { 'Content-Length': bytes.length });
    res.write(bytes.subarray(0, 1000), () => setTimeout(() => res.destroy(), 20));
  };
  upstream.script = cut;
  expect((await get('/aci/quay.io/app:v1.aci')).status).toBe(502);
  expect(await cached()).toEqual([]);
  let cuts = 0;
  upstream.script = (req, res, serve) => {
    if (req.url?.endsWith(digestOf(bytes))) cuts += 1;
    if (cuts === 1) cut(req, res, serve);
    else serve();
  };
  await expectFetched('/aci/quay.io/app:v1.aci');
  expect(cuts).toBe(2);
});

test('a disk that becomes full at any write is answered 507 and leaves nothing; with room again it works', async () => {
  await pushImage(depot.port, 'team/app', 'v1', image('a'));
  const statuses: number[] = [];
  for (let room = 0; statuses.at(-1) !== 200 && room < 40; room += 1) {
    await disk.fill(room, async () => void statuses.push((await get('/aci/team/app:v1.aci')).status));
    if (statuses.at(-1) !== 200) expect(await cached()).toEqual([]);
  }
  expect(statuses.length).toBeGreaterThan(3);
  expect(statuses.slice(0, -1)).toEqual(statuses.slice(0, -1).map(() => 507));
  await expectFetched('/aci/team/app:v1.aci');
  expect(await cached()).toHaveLength(1);
  expect(await new RegistryClient(depot.urls[0] ?? '').get('team/app/manifests/v1')).toMatchObject({
    status: 200,
  });
});
