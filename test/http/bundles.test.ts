/** Bundles that are put to a running depot. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readEarlierBundle, trustCertificate } from '../../server/index.js';
import { BundleDepot } from '../fixtures/bundle-depot.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { codesOf, imageOf, RegistryClient } from '../fixtures/registry-client.js';
import { loadTestKey } from '../fixtures/test-key.js';
import { basic, writeUsers } from '../fixtures/users.js';

const ETCD = imageOf(['etcd layer']);
let from: BundleDepot;
let bundle: Buffer;
beforeAll(async () => {
  from = await (await BundleDepot.make()).withKey();
  await from.push('coreos/etcd', 'v3', ETCD);
  from.asset('flatcar/vmlinuz', 'a kernel');
  bundle = await from.bundle();
});
afterAll(() => from.remove());

async function trusting(settings: Record<string, unknown> = {}): Promise<LiveDepot> {
  const depot = await startLiveDepot({ settings });
  await trustCertificate(join(depot.folder, 'keys'), (await loadTestKey()).certificate);
  return depot;
}

function put(
  depot: LiveDepot,
  body: Buffer,
  headers: Record<string, string> = {},
  path = '/bundles/',
): Promise<Response> {
  return fetch(`${depot.urls[0]}${path}`, { method: 'PUT', body: new Uint8Array(body), headers });
}

describe('for an allowed writer', () => {
  let depot: LiveDepot;
  beforeAll(async () => {
    depot = await trusting();
  });
  afterAll(() => depot.remove());

  test('the image can be pulled and the file be fetched from the same server', async () => {
    const client = new RegistryClient(depot.urls[0] ?? '');
    expect((await client.get('coreos/etcd/manifests/v3')).status).toBe(404);
    const answer = await put(depot, bundle, {}, '/bundles/site.tar');
    expect(answer.status).toBe(201);
    const { fingerprint } = (await loadTestKey()).certificate;
    expect(await answer.json()).toEqual({
      signer: fingerprint,
      added: 5,
      addedBytes: expect.any(Number),
      present: 0,
      passedOver: 3,
      images: [{ name: 'coreos/etcd:v3', digest: ETCD.digest }],
    });
    expect(
      createHash('sha256')
        .update(Buffer.from(await (await client.get('coreos/etcd/manifests/v3')).arrayBuffer()))
        .digest('hex'),
    ).toBe(ETCD.digest.slice(7));
    expect(await (await fetch(`${depot.urls[0]}/assets/flatcar/vmlinuz`)).text()).toBe('a kernel');
    expect((await fetch(`${depot.urls[0]}/keys/${fingerprint}.asc`)).status).toBe(200);
    expect(await (await put(depot, bundle)).json()).toMatchObject({ added: 0, present: 5 });
  });

  test('a part of it, by a query', async () => {
    const answer = await put(depot, bundle, {}, `/bundles/?only=${encodeURIComponent('flatcar/*')}`);
    expect(await answer.json()).toMatchObject({ images: [], passedOver: 6 });
  });

  test('a wrong byte is told with the name of its file, in a sentence that names no folder of the server', async () => {
    const wrong = Buffer.from(bundle);
    wrong[bundle.indexOf('a kernel')] = 0x41;
    const answer = await put(depot, wrong);
    expect(answer.status).toBe(422);
    const text = await answer.text();
    expect(text).toContain('assets/flatcar/vmlinuz has the digest');
    expect(text).not.toContain(depot.folder);
    expect((await put(depot, Buffer.from('no bundle'))).status).toBe(422);
  });

  test('a client that leaves in the middle changes nothing that can be seen, and the server goes on', async () => {
    const fresh = await trusting();
    await new Promise<void>((resolve) => {
      const req = request(`${fresh.urls[0]}/bundles/`, {
        method: 'PUT',
        headers: { 'Content-Length': bundle.length },
      });
      req.once('error', () => resolve());
      req.write(bundle.subarray(0, bundle.length - 2000), () => setTimeout(() => req.destroy(), 50));
    });
    const client = new RegistryClient(fresh.urls[0] ?? '');
    expect((await client.get('coreos/etcd/tags/list')).status).toBe(404);
    expect((await put(fresh, bundle)).status).toBe(201);
    await fresh.remove();
  });

  test('other methods and other addresses', async () => {
    const get = await fetch(`${depot.urls[0]}/bundles/`);
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'PUT']);
    expect((await put(depot, bundle, {}, '/bundles/a/b')).status).toBe(404);
    expect((await put(depot, bundle, {}, '/bundles')).status).toBe(404);
  });

  test('a difference without its base is a conflict', async () => {
    const other = await (await BundleDepot.make()).withKey();
    other.asset('only-there', 'x');
    const path = join(other.folder, 'base.tar');
    writeFileSync(path, await other.bundle());
    const answer = await put(depot, await other.bundle({ since: await readEarlierBundle(path) }));
    expect([answer.status, await answer.text()]).toEqual([409, expect.stringContaining('assets/only-there')]);
    other.remove();
  });
});

test('a key that is not trusted is refused with 403', async () => {
  const depot = await startLiveDepot();
  const answer = await put(depot, bundle);
  expect([answer.status, await codesOf(answer)]).toEqual([403, ['DENIED']]);
  await depot.remove();
});

test('who may not push may not bring a bundle: users, and rules of repositories', async () => {
  const users = join(from.folder, 'users.htpasswd');
  writeUsers(users, { ops: 'secret', dev: 'secret' });
  const depot = await trusting({
    'registry.write': 'users',
    'registry.users': users,
    'registry.rules': [{ repositories: 'coreos/**', push: ['ops'] }],
  });
  const remote = { 'X-Forwarded-For': '192.0.2.1' };
  const nobody = await put(depot, bundle, remote);
  expect([nobody.status, nobody.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="bootdepot"']);
  expect((await put(depot, bundle, { ...remote, ...basic('ops', 'wrong') })).status).toBe(401);
  const dev = await put(depot, bundle, { ...remote, ...basic('dev', 'secret') });
  expect([dev.status, await codesOf(dev)]).toEqual([403, ['DENIED']]);
  expect((await fetch(`${depot.urls[0]}/assets/flatcar/vmlinuz`)).status).toBe(404);
  expect((await put(depot, bundle, { ...remote, ...basic('ops', 'secret') })).status).toBe(201);
  await depot.remove();
  const local = await trusting();
  expect((await put(local, bundle, remote)).status).toBe(403);
  await local.remove();
});
