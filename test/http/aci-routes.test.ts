/** Images of the registry as ACIs: converted on the first request, once, signed, kept, and evicted. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { identifyAci } from '../../server/aci/identify.js';
import { validateAci } from '../../server/index.js';
import { describeWith } from '../clients/programs.js';
import { ask } from '../fixtures/assets-server.js';
import { type LiveDepot, type LiveDepotOptions, startLiveDepot } from '../fixtures/live-depot.js';
import { digestOf, RegistryClient, type TestImage } from '../fixtures/registry-client.js';
import { imageWith, pushImage } from '../fixtures/registry-images.js';
import { askAsRkt, fetchAsRkt } from '../fixtures/rkt-client.js';
import { startDepot } from '../fixtures/running-depot.js';
import { loadTestKey, testKeyFolder } from '../fixtures/test-key.js';
import { until } from '../fixtures/until.js';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const scratch = mkdtempSync(join(tmpdir(), 'bootdepot-acis-'));
let depot: LiveDepot;

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function start(options: LiveDepotOptions = {}, signs = true): Promise<LiveDepot> {
  const started = await startLiveDepot(options);
  if (signs) {
    rmSync(join(started.folder, 'keys'), { recursive: true });
    await testKeyFolder(started.folder);
  }
  return started;
}

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  askAsRkt(depot.port, path, headers, method);

async function figure(name: string): Promise<number> {
  const text = (await get('/metrics')).body.toString();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

/** The manifest of an ACI that was answered. */
async function manifestOf(bytes: Buffer) {
  const path = join(scratch, 'answered.aci');
  writeFileSync(path, bytes);
  return (await identifyAci(path)).manifest;
}

const cached = () => readdirSync(join(depot.folder, 'data/aci-cache'));
const etagOf = ({ digest }: TestImage) => new RegExp(`^"${digest}-[0-9a-f]{16}"$`);
const noise = (bytes: number): TestImage => imageWith([{ name: 'noise', content: randomBytes(bytes) }]);

describe('an image of the registry', () => {
  let image: TestImage;

  beforeAll(async () => {
    depot = await start();
    image = await pushImage(depot.port, 'coreos/etcd', 'v1.0.0');
  });
  afterAll(() => depot.remove());

  test('is answered as a valid ACI, by its tag and with the digest of its manifest as entity tag', async () => {
    const { status, headers, body } = await get('/aci/coreos/etcd:v1.0.0.aci');
    expect([status, headers.etag]).toEqual([200, expect.stringMatching(etagOf(image))]);
    expect(headers['content-type']).toBe('application/octet-stream');
    expect(headers).not.toHaveProperty('content-encoding');
    const manifest = await manifestOf(body);
    expect(manifest.name).toBe('coreos/etcd');
    expect(manifest.labels).toContainEqual({ name: 'version', value: 'v1.0.0' });
    const { problems } = await validateAci(join(scratch, 'answered.aci'));
    expect(problems).toEqual([]);
  });

  test('has ranges, conditions, HEAD and both spellings of the colon as any file has', async () => {
    const path = '/aci/coreos/etcd:v1.0.0.aci';
    const whole = await get(path);
    const part = await get(path, { Range: 'bytes=10-19', 'If-Range': String(whole.headers.etag) });
    expect([part.status, part.body.equals(whole.body.subarray(10, 20))]).toEqual([206, true]);
    const changed = await get(path, { Range: 'bytes=10-19', 'If-Range': '"other"' });
    expect([changed.status, changed.body.equals(whole.body)]).toEqual([200, true]);
    const kept = await get(path, { 'If-None-Match': String(whole.headers.etag) });
    expect([kept.status, kept.body.length]).toEqual([304, 0]);
    const head = await get(path, {}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([
      200,
      String(whole.body.length),
      0,
    ]);
    const encoded = await get(path.replace(':', '%3A'));
    expect(encoded.body.equals(whole.body)).toBe(true);
    expect((await get(path, { Range: 'bytes=999999999-' })).status).toBe(416);
    expect((await get(path, {}, 'POST')).status).toBe(405);
  });

  test('is fetched as rkt does it: the signature is put off, and there with the image', async () => {
    await pushImage(depot.port, 'coreos/flannel', 'v0.5.0', noise(1_000_000));
    const fetched = await fetchAsRkt(depot.port, '/aci/coreos/flannel:v0.5.0.aci');
    if (fetched.kind !== 'fetched') throw new Error(JSON.stringify(fetched));
    expect(fetched.deferred).toBe(true);
    const again = await fetchAsRkt(depot.port, '/aci/coreos/flannel:v0.5.0.aci', fetched.etag);
    expect(again).toEqual({ kind: 'cached' });
  });

  test.each(['GET', 'HEAD'])('a HEAD converts it as a GET does (%s)', async (method) => {
    await pushImage(depot.port, 'team/first', method.toLowerCase());
    const { status, headers } = await get(`/aci/team/first:${method.toLowerCase()}.aci`, {}, method);
    expect(status).toBe(200);
    expect(Number(headers['content-length'])).toBeGreaterThan(100);
  });

  test('is converted once, however many ask at the same time', async () => {
    await pushImage(depot.port, 'team/busy', 'v1', noise(300_000));
    const before = await figure('bootdepot_conversions_total');
    const answers = await Promise.all(Array.from({ length: 50 }, () => get('/aci/team/busy:v1.aci')));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    const [first] = answers;
    expect(answers.every(({ body }) => body.equals(first?.body ?? Buffer.alloc(0)))).toBe(true);
    expect((await figure('bootdepot_conversions_total')) - before).toBe(1);
    expect(await figure('bootdepot_aci_cache_bytes')).toBeGreaterThan(300_000);
  });

  test('has another ACI when its tag moves', async () => {
    await pushImage(depot.port, 'team/moving', 'v1');
    const before = await get('/aci/team/moving:v1.aci');
    const moved = await pushImage(depot.port, 'team/moving', 'v1', noise(100));
    const after = await get('/aci/team/moving:v1.aci', { 'If-None-Match': String(before.headers.etag) });
    expect([after.status, after.headers.etag]).toEqual([200, expect.stringMatching(etagOf(moved))]);
  });

  test.each([
    ['/aci/coreos/etcd:v9.aci', 404],
    ['/aci/no/such:v1.aci', 404],
    ['/aci/coreos/etcd.aci', 404],
    ['/aci/coreos/etcd:v1.0.0', 404],
    ['/aci/COREOS/etcd:v1.0.0.aci', 400],
    ['/aci/coreos/etcd:v1.0.0.aci?platform=linux', 400],
    ['/aci/coreos/etcd:v9.aci.asc', 404],
  ])('%s is answered %i', async (path, status) => {
    expect((await get(path)).status).toBe(status);
  });

  test('of another platform is answered 422, with what there is', async () => {
    const { status, body } = await get('/aci/coreos/etcd:v1.0.0.aci?platform=linux/arm64');
    expect([status, body.toString()]).toEqual([
      422,
      'the image cannot be converted: no image for linux/arm64, there is linux/amd64\n',
    ]);
  });

  test('is chosen from a list by platform', async () => {
    const { manifest } = image;
    const platform = { os: 'linux', architecture: 'arm64' };
    const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: image.digest };
    const manifests = [{ ...descriptor, size: manifest.length, platform }];
    const client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
    const list = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
    expect((await client.pushManifest('coreos/etcd', 'list', list, INDEX)).status).toBe(201);
    const found = await get('/aci/coreos/etcd:list.aci?platform=linux/arm64');
    expect([found.status, found.headers.etag]).toEqual([200, expect.stringMatching(etagOf(image))]);
    expect((await get('/aci/coreos/etcd:list.aci')).status).toBe(422);
  });

  test('that cannot be converted is answered 422 with the reason, and leaves nothing', async () => {
    const before = cached();
    const failed = await figure('bootdepot_conversions_failed_total');
    await pushImage(depot.port, 'team/broken', 'v1', { ...noise(10), ...brokenImage() });
    const { status, body } = await get('/aci/team/broken:v1.aci');
    expect(status).toBe(422);
    expect(body.toString()).toMatch(/^the image cannot be converted: layer sha256:/);
    expect(cached()).toEqual(before);
    expect((await figure('bootdepot_conversions_failed_total')) - failed).toBe(1);
    expect((await get('/aci/team/broken:v1.aci.asc')).status).toBe(202);
    expect((await get('/aci/team/broken:v1.aci.asc')).status).toBe(422);
  });

  describeWith(['gpgv', 'gpg'], 'and its signature', () => {
    test('are accepted by gpgv', async () => {
      const [signature, aci] = [await fetchAsRkt(depot.port, '/aci/coreos/etcd:v1.0.0.aci'), 'gpgv.aci'];
      if (signature.kind !== 'fetched') throw new Error(JSON.stringify(signature));
      writeFileSync(join(scratch, aci), signature.image);
      writeFileSync(join(scratch, `${aci}.asc`), signature.signature);
      const { certificate } = await loadTestKey();
      writeFileSync(join(scratch, 'key.asc'), certificate.armored);
      const run = promisify(execFile);
      await run('gpg', ['--batch', '--yes', '--dearmor', '-o', 'key.gpg', 'key.asc'], { cwd: scratch });
      const { stderr } = await run('gpgv', ['--keyring', './key.gpg', `${aci}.asc`, aci], { cwd: scratch });
      expect(stderr).toContain('Good signature');
    });
  });
});

/** An image whose layer is no archive. */
function brokenImage(): TestImage {
  return imageWithBytes(Buffer.from('this is no archive at all'.repeat(100)));
}

function imageWithBytes(layer: Buffer): TestImage {
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux' }));
  const describeBlob = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: describeBlob('application/vnd.oci.image.config.v1+json', config),
      layers: [describeBlob('application/vnd.oci.image.layer.v1.tar', layer)],
    }),
  );
  return { blobs: [config, layer], manifest, digest: digestOf(manifest) };
}

describe('a depot with other settings', () => {
  afterEach(() => depot.remove());

  test('without a signing key says so, and signs what is there when it has one', async () => {
    depot = await start({}, false);
    await pushImage(depot.port, 'coreos/etcd', 'v1');
    const before = await get('/aci/coreos/etcd:v1.aci.asc');
    expect([before.status, before.body.toString()]).toEqual([
      404,
      'no signature: this depot has no signing key that can be used\n',
    ]);
    const unsigned = await get('/aci/coreos/etcd:v1.aci');
    expect(unsigned.status).toBe(200);
    rmSync(join(depot.folder, 'keys'), { recursive: true });
    await testKeyFolder(depot.folder);
    const fetched = await fetchAsRkt(depot.port, '/aci/coreos/etcd:v1.aci');
    expect(fetched).toMatchObject({ kind: 'fetched', image: unsigned.body });
    expect(await figure('bootdepot_conversions_total')).toBe(1);
  });

  test('names an image after publicUrl where it has no host', async () => {
    depot = await start({ settings: { publicUrl: 'http://depot.example.com:8080' } });
    await pushImage(depot.port, 'coreos/etcd', 'v1');
    await pushImage(depot.port, 'quay.io/coreos/etcd', 'v1');
    const own = await get('/aci/coreos/etcd:v1.aci');
    expect((await manifestOf(own.body)).name).toBe('depot.example.com/coreos/etcd');
    const byName = await get('/aci-images/linux/amd64/depot.example.com/coreos/etcd:v1.aci');
    expect(byName.headers.etag).toBe(own.headers.etag);
    const copied = await get('/aci/quay.io/coreos/etcd:v1.aci');
    expect((await manifestOf(copied.body)).name).toBe('quay.io/coreos/etcd');
    await depot.stop();
    const { folder } = depot;
    const renamed = await startLiveDepot({
      settings: { 'data.dir': join(folder, 'data'), publicUrl: 'http://other.example.com' },
    });
    const other = await ask(renamed.port, '/aci/coreos/etcd:v1.aci', {
      headers: { 'If-None-Match': String(own.headers.etag) },
    });
    await renamed.remove();
    expect([other.status, other.body.equals(own.body)]).toEqual([200, false]);
    expect(other.headers.etag).not.toBe(own.headers.etag);
  });

  test('asks those to log in who may not read the repository', async () => {
    const users = join(scratch, 'users');
    writeFileSync(users, '');
    const rules = [{ repositories: 'secret/**', read: ['*'], push: ['anyone'] }];
    depot = await start({ settings: { 'registry.rules': rules, 'registry.users': users } });
    await pushImage(depot.port, 'secret/app', 'v1');
    for (const path of ['/aci/secret/app:v1.aci', '/aci/secret/app:v1.aci.asc', '/aci/secret/none:v1.aci']) {
      const { status, headers } = await get(path);
      expect([status, headers['www-authenticate']]).toEqual([401, 'Basic realm="bootdepot"']);
    }
  });

  test('is answered 507 where the disk is too full', async () => {
    depot = await start();
    await pushImage(depot.port, 'team/app', 'v1');
    const { folder } = depot;
    await depot.stop();
    const other = await startLiveDepot({
      settings: { 'data.dir': join(folder, 'data'), 'limits.freeSpace': '900TiB' },
    });
    const { status } = await ask(other.port, '/aci/team/app:v1.aci');
    await other.remove();
    expect(status).toBe(507);
  });

  test('removes what was not used for longest when its images become too many', async () => {
    depot = await start({ settings: { 'aci.cache': '250KiB' } });
    for (const tag of ['a', 'b', 'c']) await pushImage(depot.port, 'team/app', tag, noise(100_000));
    await get('/aci/team/app:a.aci');
    await get('/aci/team/app:b.aci');
    await get('/aci/team/app:a.aci');
    await get('/aci/team/app:c.aci');
    await until(() => cached().length === 2);
    expect(await figure('bootdepot_aci_cache_bytes')).toBeLessThan(250 * 1024);
    const made = await figure('bootdepot_conversions_total');
    await get('/aci/team/app:a.aci');
    expect((await figure('bootdepot_conversions_total')) - made).toBe(0);
    expect((await get('/aci/team/app:b.aci')).status).toBe(200);
    expect((await figure('bootdepot_conversions_total')) - made).toBe(1);
  });

  test('never removes an image that is being sent', async () => {
    depot = await start({ settings: { 'aci.cache': '250KiB', 'transfers.sendfile': false } });
    await pushImage(depot.port, 'team/app', 'large', noise(12_000_000));
    for (const tag of ['b', 'c']) await pushImage(depot.port, 'team/app', tag, noise(100_000));
    const path = '/aci/team/app:large.aci';
    const request = httpGet({ host: '127.0.0.1', port: depot.port, path, agent: false });
    const [response] = await once(request, 'response');
    for (const tag of ['b', 'c']) await get(`/aci/team/app:${tag}.aci`);
    expect(await figure('bootdepot_aci_cache_bytes')).toBeGreaterThan(12_000_000);
    let bytes = 0;
    for await (const chunk of response) bytes += chunk.length;
    expect(bytes).toBe(Number(response.headers['content-length']));
    await until(async () => (await figure('bootdepot_aci_cache_bytes')) < 250 * 1024);
    expect(await figure('bootdepot_aci_cache_bytes')).toBeLessThan(250 * 1024);
  });

  test('keeps one image that is larger than the limit until another is asked for', async () => {
    depot = await start({ settings: { 'aci.cache': '1KiB' } });
    for (const tag of ['a', 'b']) await pushImage(depot.port, 'team/app', tag, noise(100_000));
    expect(await fetchAsRkt(depot.port, '/aci/team/app:a.aci')).toMatchObject({ kind: 'fetched' });
    expect(await fetchAsRkt(depot.port, '/aci/team/app:b.aci')).toMatchObject({ kind: 'fetched' });
    await until(() => cached().length === 1);
    expect(cached()).toHaveLength(1);
  });

  test('converts what is pushed to the repositories of convert.auto, and logs what cannot be', async () => {
    depot = await start({ settings: { 'convert.auto': ['coreos/*'] } });
    await pushImage(depot.port, 'coreos/broken', 'v1', brokenImage());
    await pushImage(depot.port, 'team/app', 'v1');
    await pushImage(depot.port, 'coreos/etcd', `sha256-${'a'.repeat(64)}`);
    await pushImage(depot.port, 'coreos/etcd', 'v1');
    await until(async () => (await figure('bootdepot_conversions_total')) === 1);
    expect(await figure('bootdepot_conversions_total')).toBe(1);
    const failures = () => depot.log().filter(({ msg }) => msg === 'an image could not be converted');
    expect(failures()).toMatchObject([{ image: 'coreos/broken:v1', err: { code: 'IMAGE_INVALID' } }]);
    expect((await get('/aci/coreos/etcd:v1.aci.asc')).status).toBe(200);
    expect(await figure('bootdepot_conversions_total')).toBe(1);
  });

  test('converts what is fetched from an upstream into the repositories of convert.auto', async () => {
    const upstream = await startLiveDepot();
    const url = `http://127.0.0.1:${upstream.port}`;
    depot = await start({
      settings: { 'convert.auto': ['quay.io/coreos/*'], 'registry.upstreams': { 'quay.io': { url } } },
    });
    try {
      await pushImage(upstream.port, 'coreos/etcd', 'v1');
      expect((await get('/v2/quay.io/coreos/etcd/manifests/v1')).status).toBe(200);
      await until(async () => (await figure('bootdepot_conversions_total')) === 1);
      expect((await get('/aci/quay.io/coreos/etcd:v1.aci')).status).toBe(200);
      expect(await figure('bootdepot_conversions_total')).toBe(1);
    } finally {
      await upstream.remove();
    }
  });

  test('finds after a restart what it has converted', async () => {
    depot = await start();
    await pushImage(depot.port, 'team/app', 'v1');
    const before = await get('/aci/team/app:v1.aci');
    await depot.stop();
    const { folder } = depot;
    const again = await startLiveDepot({
      settings: { 'data.dir': join(folder, 'data'), 'keys.dir': join(folder, 'keys') },
    });
    const after = await ask(again.port, '/aci/team/app:v1.aci.asc');
    const image = await ask(again.port, '/aci/team/app:v1.aci');
    await again.remove();
    expect([after.status, image.headers['last-modified']]).toEqual([200, before.headers['last-modified']]);
    expect(image.body.equals(before.body)).toBe(true);
  });

  test('converts again what somebody has removed from its folder', async () => {
    depot = await start();
    await pushImage(depot.port, 'team/app', 'v1');
    const before = await get('/aci/team/app:v1.aci');
    for (const name of cached()) rmSync(join(depot.folder, 'data/aci-cache', name), { recursive: true });
    const after = await get('/aci/team/app:v1.aci');
    expect([after.status, after.body.equals(before.body)]).toEqual([200, true]);
  });
});

test('a server that is killed during a conversion leaves nothing that can be seen, and the next one succeeds', async () => {
  const folder = mkdtempSync(join(scratch, 'killed-'));
  await testKeyFolder(folder);
  const dirs = [
    '--assets',
    join(folder, 'assets'),
    '--keys',
    join(folder, 'keys'),
    '--data',
    join(folder, 'data'),
  ];
  const cache = join(folder, 'data/aci-cache');
  const files = () => readdirSync(cache, { recursive: true, encoding: 'utf8' });
  const first = await startDepot(dirs);
  await pushImage(first.port, 'team/large', 'v1', noise(24_000_000));
  const cut = ask(first.port, '/aci/team/large:v1.aci').catch(() => 'cut');
  await until(() => files().some((name) => name.endsWith('.tmp')));
  first.process.kill('SIGKILL');
  expect(await cut).toBe('cut');
  expect(files().filter((name) => name.endsWith('.aci'))).toEqual([]);
  const second = await startDepot(dirs);
  try {
    expect(files()).toEqual([]);
    const { status, body } = await ask(second.port, '/aci/team/large:v1.aci');
    expect([status, body.length > 24_000_000]).toEqual([200, true]);
    expect((await ask(second.port, '/aci/team/large:v1.aci.asc')).status).toBe(200);
  } finally {
    await second.stop();
  }
});
