/** No wrong byte goes out whole, nothing acknowledged is lost, and only those who may write do. */
import { randomBytes } from 'node:crypto';
import { open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { codesOf, digestOf, imageOf, RegistryClient } from '../../fixtures/registry-client.js';
import { type RunningDepot, startDepot } from '../../fixtures/running-depot.js';

let depot: LiveDepot;
let client: RegistryClient;
beforeEach(async () => {
  depot = await startLiveDepot();
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterEach(() => depot.remove());

const root = () => join(depot.folder, 'data/registry/docker/registry/v2');

function dataOf(digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':');
  return join(root(), 'blobs', algorithm, hex.slice(0, 2), hex, 'data');
}

async function flipByte(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, position);
  byte.writeUInt8(byte.readUInt8() ^ 1);
  await file.write(byte, 0, 1, position);
  await file.close();
}

describe('a flipped byte', () => {
  test.each([
    ['small', 1000, {}],
    ['large', 3_000_000, {}],
    ['large, in a range', 3_000_000, { Range: 'bytes=0-9' }],
  ])('in a %s blob never leads to a whole answer, and the next push heals it', async (_, size, headers) => {
    const bytes = randomBytes(size);
    const digest = digestOf(bytes);
    await client.pushBlob('a', bytes);
    await flipByte(dataOf(digest), size - 1);
    const first = await client
      .get(`a/blobs/${digest}`, headers)
      .then(
        async (answer) => (answer.ok ? answer.arrayBuffer() : answer.status),
        () => 'cut',
      )
      .catch(() => 'cut');
    expect(['cut', 404]).toContain(first);
    for (const method of ['GET', 'HEAD']) {
      expect((await client.ask(method, `a/blobs/${digest}`)).status).toBe(404);
    }
    expect(depot.log()).toContainEqual(expect.objectContaining({ level: 'error', digest }));
    expect(await readdir(join(depot.folder, 'data/registry/.bootdepot/quarantine'))).toHaveLength(1);
    expect((await client.pushBlob('a', bytes)).status).toBe(201);
    const healed = await client.get(`a/blobs/${digest}`);
    expect(digestOf(Buffer.from(await healed.arrayBuffer()))).toBe(digest);
  });

  test('in a manifest makes it unknown until it is pushed again', async () => {
    const image = imageOf(['layer']);
    await client.push('a', 'v1', image);
    await flipByte(dataOf(image.digest), 3);
    expect(await codesOf(await client.get('a/manifests/v1'))).toEqual(['MANIFEST_UNKNOWN']);
    await client.pushManifest('a', 'v1', image.manifest);
    expect((await client.get('a/manifests/v1')).status).toBe(200);
  });
});

test('a broken link is as if it were not there, and the next push mends it', async () => {
  const image = imageOf(['layer']);
  await client.push('a', 'v1', image);
  const link = join(root(), 'repositories/a/_manifests/tags/v1/current/link');
  await writeFile(link, '');
  expect((await client.get('a/manifests/v1')).status).toBe(404);
  await client.pushManifest('a', 'v1', image.manifest);
  expect((await client.get('a/manifests/v1')).status).toBe(200);
});

test('an upload that the reference registry began is gone on with', async () => {
  const location = await client.begin('a');
  const folder = join(root(), 'repositories/a/_uploads', location.split('/').at(-1) ?? '');
  await writeFile(join(folder, 'data'), '01234');
  const state = await client.get(location);
  expect(state.headers.get('range')).toBe('0-4');
  await client.ask('PATCH', location, '56789', { 'Content-Range': '5-9' });
  expect((await client.ask('PUT', `${location}?digest=${digestOf('0123456789')}`)).status).toBe(201);
  expect(await stat(folder).catch(() => 'gone')).toBe('gone');
});

test('two pushes of one tag at once end with one of them whole', async () => {
  const images = Array.from({ length: 8 }, (_, index) => imageOf([`layer ${index}`]));
  for (const { blobs } of images) for (const blob of blobs) await client.pushBlob('a', blob);
  const answers = await Promise.all(images.map(({ manifest }) => client.pushManifest('a', 'v1', manifest)));
  expect(answers.map(({ status }) => status)).toEqual(images.map(() => 201));
  const digest = (await client.get('a/manifests/v1')).headers.get('docker-content-digest');
  expect(images.map((image) => image.digest)).toContain(digest);
  expect(await readdir(join(root(), 'repositories/a/_manifests/tags'))).toEqual(['v1']);
  expect(await readdir(join(depot.folder, 'data/registry/.bootdepot/stage'))).toEqual([]);
});

describe('writing', () => {
  test.each([
    ['Forwarded', 'for=192.0.2.1'],
    ['X-Forwarded-For', '192.0.2.1'],
    ['Via', '1.1 proxy'],
  ])('for somebody else behind a proxy (%s) is refused', async (name, value) => {
    const answer = await client.ask('POST', 'a/blobs/uploads/', undefined, { [name]: value });
    expect([answer.status, await codesOf(answer)]).toEqual([403, ['DENIED']]);
    expect((await client.get('', { [name]: value })).status).toBe(200);
  });

  test('is for anyone where the configuration says so', async () => {
    const open = await startLiveDepot({ settings: { 'registry.write': 'anyone' } });
    const other = new RegistryClient(`http://127.0.0.1:${open.port}`);
    const answer = await other.ask('POST', 'a/blobs/uploads/', undefined, { 'X-Forwarded-For': '192.0.2.1' });
    expect(answer.status).toBe(202);
    await open.remove();
  });

  test('does not mean deleting', async () => {
    const image = imageOf(['layer']);
    await client.push('a', 'v1', image);
    for (const path of ['a/manifests/v1', `a/manifests/${image.digest}`, `a/blobs/${digestOf('layer')}`]) {
      const answer = await client.ask('DELETE', path);
      expect([answer.status, await codesOf(answer)]).toEqual([405, ['UNSUPPORTED']]);
    }
    expect((await client.ask('DELETE', await client.begin('a'))).status).toBe(204);
  });
});

describe('SIGKILL', () => {
  let running: RunningDepot | undefined;
  afterEach(() => running?.stop());

  test('in the middle of an upload: the client asks where it stands and goes on', async () => {
    const data = join(depot.folder, 'killed');
    const folders = ['--assets', join(data, 'a'), '--keys', join(data, 'k'), '--data', join(data, 'd')];
    running = await startDepot(folders);
    let killed = new RegistryClient(running.url);
    const bytes = randomBytes(8_000_000);
    const location = await killed.begin('a');
    await killed.ask('PATCH', location, bytes.subarray(0, 3_000_000));
    const cut = killed.ask('PATCH', location, bytes.subarray(3_000_000));
    running.process.kill('SIGKILL');
    await cut.catch(() => undefined);
    running = await startDepot(folders);
    killed = new RegistryClient(running.url);
    const offset = Number((await killed.get(location)).headers.get('range')?.split('-')[1]) + 1;
    expect(offset).toBeGreaterThanOrEqual(3_000_000);
    const rest = { 'Content-Range': `${offset}-${bytes.length - 1}` };
    const last = offset < bytes.length ? bytes.subarray(offset) : '';
    const answer = await killed.ask(
      'PUT',
      `${location}?digest=${digestOf(bytes)}`,
      last,
      last === '' ? {} : rest,
    );
    expect(answer.status).toBe(201);
    const got = await killed.get(`a/blobs/${digestOf(bytes)}`);
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true);
    await running.stop();
    await rm(data, { recursive: true });
  });
});
