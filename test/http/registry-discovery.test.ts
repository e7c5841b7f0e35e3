/** Finding images of the registry by their names, as rkt asks. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { identifyAci } from '../../server/aci/identify.js';
import { buildAci } from '../fixtures/aci.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { pushImage } from '../fixtures/registry-images.js';
import { askAsRkt, fetchAsRkt } from '../fixtures/rkt-client.js';
import { askDiscovery, discoverAsRkt, discoverKeysAsRkt } from '../fixtures/rkt-discovery.js';
import { testKeyFolder } from '../fixtures/test-key.js';
import { until } from '../fixtures/until.js';

const scratch = mkdtempSync(join(tmpdir(), 'bootdepot-names-'));
let depot: LiveDepot;

beforeAll(async () => {
  const users = join(scratch, 'users');
  writeFileSync(users, '');
  const rules = [{ repositories: '{secret,hidden.example.com}/**', read: ['*'], push: ['anyone'] }];
  const settings = {
    'registry.rules': rules,
    'registry.users': users,
    publicUrl: 'http://example.com:8080',
    'aci.hosts': ['depot.lan'],
  };
  depot = await startLiveDepot({ settings });
  rmSync(join(depot.folder, 'keys'), { recursive: true });
  await testKeyFolder(depot.folder);
  for (const tag of ['v1.9.0', 'v1.10.0', 'stable']) await pushImage(depot.port, 'coreos/etcd', tag);
  await pushImage(depot.port, 'coreos/etcd', `sha256-${'a'.repeat(64)}`);
  await pushImage(depot.port, 'coreos/flannel', 'latest');
  await pushImage(depot.port, 'coreos/flannel', 'v0.5.0');
  await pushImage(depot.port, 'quay.io/coreos/etcd', 'v3.0.0');
  await pushImage(depot.port, 'secret/app', 'v1');
  await pushImage(depot.port, 'hidden.example.com/app', 'v1');
});
afterAll(async () => {
  await depot.remove();
  rmSync(scratch, { recursive: true, force: true });
});

function pathOf(url: string | undefined): string {
  return decodeURI(new URL(url ?? '').pathname);
}

/** Discovers and fetches; gives what rkt would compare. */
async function fetchByName(name: string, labels: Parameters<typeof discoverAsRkt>[2] = {}) {
  const { image } = await discoverAsRkt(depot, name, labels);
  const fetched = await fetchAsRkt(depot.port, pathOf(image));
  if (fetched.kind !== 'fetched') return fetched;
  const path = join(scratch, 'fetched.aci');
  writeFileSync(path, fetched.image);
  const { manifest } = await identifyAci(path);
  const label = (wanted: string) => manifest.labels?.find(({ name: each }) => each === wanted)?.value;
  return { name: manifest.name, version: label('version'), os: label('os'), arch: label('arch') };
}

const PLATFORM = { os: 'linux', arch: 'amd64' };

describe('an image of the registry', () => {
  test.each([
    ['example.com/coreos/etcd', 'v1.9.0'],
    ['depot.lan/coreos/etcd', 'v1.10.0'],
    ['quay.io/coreos/etcd', 'v3.0.0'],
  ])('is found as %s:%s, and bears that name', async (name, version) => {
    expect(await fetchByName(name, { version })).toEqual({ name, version, ...PLATFORM });
  });

  test.each([
    ['example.com/coreos/etcd', 'v1.10.0'],
    ['example.com/coreos/flannel', 'latest'],
  ])('is found as %s without a version: %s', async (name, version) => {
    expect(await fetchByName(name)).toEqual({ name, version, ...PLATFORM });
  });

  test.each([
    'example.com/coreos/etcd',
    'example.com/coreos',
    'example.com',
    'quay.io/coreos/etcd',
    'quay.io/coreos',
    'quay.io',
    'depot.lan/coreos/etcd',
    'depot.lan',
  ])('makes discovery answer for %s, with one tag for images and one for keys', async (name) => {
    const { status, body } = await askDiscovery(depot, name);
    expect(status).toBe(200);
    expect(body.toString().match(/<meta name="ac-[a-z-]+"/g)).toEqual([
      '<meta name="ac-discovery"',
      '<meta name="ac-discovery-pubkeys"',
    ]);
  });

  test('lets rkt trust its prefix without a URL', async () => {
    const [key] = await discoverKeysAsRkt(depot, 'example.com/coreos');
    expect(pathOf(key)).toBe('/keys/pubkey.asc');
  });

  test.each([
    'example.com/coreos/et',
    'example.com/nothing',
    'example.com/secret',
    'example.com/secret/app',
    'quay.io/coreos/flannel',
    'gcr.io/coreos/etcd',
    'gcr.io/coreos',
    'gcr.io',
  ])('does not make discovery answer for %s', async (name) =>
    expect((await askDiscovery(depot, name)).status).toBe(404),
  );

  test.each([
    ['linux/amd64/example.com/coreos/etcd:v9.aci', 404],
    ['linux/amd64/example.com/secret/app:v1.aci', 404],
    ['linux/amd64/hidden.example.com/app:v1.aci', 404],
    ['linux/amd64/quay.io/coreos/etcd:v1.9.0.aci', 404],
    ['linux/amd64/quay.io/coreos/flannel:v0.5.0.aci', 404],
    ['linux/amd64/quay.io/coreos/flannel:v0.5.0.aci.asc', 404],
    ['linux/amd64/gcr.io/coreos/etcd:v1.9.0.aci', 404],
    ['linux/sparc/example.com/coreos/etcd:v1.9.0.aci', 404],
    ['linux/aarch64/example.com/coreos/etcd:v1.9.0.aci', 422],
    ['linux/amd64/example.com/coreos/etcd:v1.9.0.aci.asc', 200],
  ])('/aci-images/%s is answered %i', async (path, status) => {
    expect((await askAsRkt(depot.port, `/aci-images/${path}`)).status).toBe(status);
  });

  test('gives way to an image of the same name and version in the assets, and only to that', async () => {
    const name = 'example.com/coreos/etcd';
    const bytes = await buildAci({ name, version: 'v1.9.0', labels: PLATFORM });
    mkdirSync(join(depot.folder, 'assets'), { recursive: true });
    writeFileSync(join(depot.folder, 'assets/mine.aci'), bytes);
    const path = `/aci-images/linux/amd64/${name}`;
    await until(async () => (await askAsRkt(depot.port, `${path}:v1.9.0.aci`)).body.equals(bytes));
    expect((await askAsRkt(depot.port, `${path}:v1.9.0.aci`)).body.equals(bytes)).toBe(true);
    expect((await askAsRkt(depot.port, `${path}:v1.10.0.aci`)).status).toBe(200);
    const { body } = await askDiscovery(depot, name);
    expect(body.toString().match(/"ac-discovery"/g)).toHaveLength(1);
  });
});

test('where aci.latest is none, an image without a version is the one whose tag is latest, or none', async () => {
  const other = await startLiveDepot({ settings: { 'aci.latest': 'none' } });
  try {
    await pushImage(other.port, 'quay.io/coreos/etcd', 'v1.10.0');
    await pushImage(other.port, 'quay.io/coreos/flannel', 'latest');
    const statusOf = async (name: string) =>
      (await askAsRkt(other.port, `/aci-images/linux/amd64/quay.io/coreos/${name}.aci`)).status;
    expect(await statusOf('etcd:latest')).toBe(404);
    expect(await statusOf('etcd:v1.10.0')).toBe(200);
    expect(await statusOf('flannel:latest')).toBe(200);
  } finally {
    await other.remove();
  }
});
