/** Clients that push at the same time, and clients that stop in the middle. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { digestOf, imageOf, RegistryClient } from '../../fixtures/registry-client.js';
import { until } from '../../fixtures/until.js';

let depot: LiveDepot;
let client: RegistryClient;
beforeEach(async () => {
  depot = await startLiveDepot({ settings: { 'registry.delete': true } });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterEach(() => depot.remove());

const own = (name: string) => join(depot.folder, 'data/registry/.bootdepot', name);

async function offsetOf(location: string): Promise<number> {
  const last = Number((await client.get(location)).headers.get('range')?.split('-')[1]);
  return last === 0 ? 0 : last + 1;
}

async function bytesOf(path: string): Promise<Buffer> {
  return Buffer.from(await (await client.get(path)).arrayBuffer());
}

describe('at the same time', () => {
  test('twenty clients push one blob: all succeed, and it is right', async () => {
    const bytes = randomBytes(300_000);
    const digest = digestOf(bytes);
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.pushBlob('a', bytes)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(digestOf(await bytesOf(`a/blobs/${digest}`))).toBe(digest);
    expect(
      await readdir(join(depot.folder, 'data/registry/docker/registry/v2/repositories/a/_uploads')),
    ).toEqual([]);
  });

  test('a blob is read in pieces while it is pushed again and again', async () => {
    const bytes = randomBytes(1_000_000);
    const digest = digestOf(bytes);
    await client.pushBlob('a', bytes);
    const pushing = Promise.all(Array.from({ length: 8 }, () => client.pushBlob('a', bytes)));
    for (let times = 0; times < 30; times += 1) {
      const answer = await client.get(`a/blobs/${digest}`, { Range: 'bytes=10-19' });
      expect([answer.status, Buffer.from(await answer.arrayBuffer())]).toEqual([206, bytes.subarray(10, 20)]);
    }
    await pushing;
  });

  test('parts of one upload: one is taken, the others get 416, and the whole is right', async () => {
    for (let round = 0; round < 10; round += 1) {
      const bytes = randomBytes(200_000);
      const location = await client.begin('a');
      const parts = Array.from({ length: 6 }, () =>
        client.ask('PATCH', location, bytes.subarray(0, 100_000), { 'Content-Range': '0-99999' }),
      );
      const statuses = (await Promise.all(parts)).map(({ status }) => status);
      expect(statuses.sort()).toEqual([202, 416, 416, 416, 416, 416]);
      expect(await offsetOf(location)).toBe(100_000);
      const last = await client.ask('PUT', `${location}?digest=${digestOf(bytes)}`, bytes.subarray(100_000));
      expect(last.status).toBe(201);
    }
  });

  test('parts without an address: what was acknowledged is never overwritten', async () => {
    for (let round = 0; round < 10; round += 1) {
      const location = await client.begin('a');
      const parts = Array.from({ length: 5 }, (_, index) => Buffer.alloc(50_000, index));
      const answers = await Promise.all(parts.map((part) => client.ask('PATCH', location, part)));
      const taken = parts.filter((_, index) => answers[index]?.status === 202);
      expect(await offsetOf(location)).toBe(taken.length * 50_000);
      const orders = permutations(taken).map((order) => digestOf(Buffer.concat(order)));
      const bytes = await finishWithOneOf(location, orders);
      expect(bytes.length).toBe(taken.length * 50_000);
    }
  });

  test('a manifest is pushed and deleted: it is there whole, or not at all', async () => {
    const image = imageOf(['a layer']);
    for (const blob of image.blobs) await client.pushBlob('a', blob);
    for (let round = 0; round < 10; round += 1) {
      const [, deleted] = await Promise.all([
        client.pushManifest('a', 'v1', image.manifest),
        client.ask('DELETE', `a/manifests/${image.digest}`),
        client.ask('DELETE', 'a/manifests/v1'),
      ]);
      expect([202, 404]).toContain(deleted.status);
      const [byTag, byDigest] = [
        await client.get('a/manifests/v1'),
        await client.get(`a/manifests/${image.digest}`),
      ];
      if (byTag.status === 200) expect(byDigest.status).toBe(200);
      const list: { tags: string[] } = JSON.parse((await bytesOf('a/tags/list')).toString());
      expect(list.tags).toEqual(byTag.status === 200 ? ['v1'] : []);
    }
  });

  test('a manifest and its tag are deleted: neither deletion fails because of the other', async () => {
    const image = imageOf(['a layer']);
    for (let round = 0; round < 10; round += 1) {
      await client.push('a', 'v1', image);
      const [manifest] = await Promise.all([
        client.ask('DELETE', `a/manifests/${image.digest}`),
        client.ask('DELETE', 'a/manifests/v1'),
      ]);
      expect(manifest.status).toBe(202);
      expect((await client.get(`a/manifests/${image.digest}`)).status).toBe(404);
    }
    expect(await readdir(own('trash'))).toEqual([]);
  });
});

function permutations<T>(all: readonly T[]): T[][] {
  if (all.length === 0) return [[]];
  return all.flatMap((first, index) =>
    permutations(all.filter((_, other) => other !== index)).map((rest) => [first, ...rest]),
  );
}

/** Reads what an upload came to, by the file itself. */
async function finishWithOneOf(location: string, digests: readonly string[]): Promise<Buffer> {
  const { readFile } = await import('node:fs/promises');
  const id = location.split('/').at(-1) ?? '';
  const folder = join(depot.folder, 'data/registry/docker/registry/v2/repositories/a/_uploads', id);
  const digest = digestOf(await readFile(join(folder, 'data')));
  expect(digests).toContain(digest);
  expect((await client.ask('PUT', `${location}?digest=${digest}`)).status).toBe(201);
  return bytesOf(`a/blobs/${digest}`);
}

describe('a client that stops in the middle', () => {
  /** Sends the head of a request, and a part of what it promised. */
  async function half(method: string, path: string, promised: number, sent: Buffer): Promise<Socket> {
    const socket = connect(depot.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${promised}\r\n\r\n`);
    socket.write(sent);
    return socket;
  }

  test.each([
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
    ['ends although it promised more', (socket: Socket) => socket.end()],
  ])('and %s: what came stays, and it goes on there', async (_, stop) => {
    const bytes = randomBytes(3_000_000);
    const location = await client.begin('a');
    const socket = await half('PATCH', location, bytes.length, bytes.subarray(0, 2_000_000));
    await until(async () => (await offsetOf(location)) >= 1_000_000);
    stop(socket);
    // Until the server has noticed that the first one is gone.
    await until(async () => (await client.ask('PATCH', location, '')).status === 202);
    const offset = await offsetOf(location);
    expect(offset).toBeGreaterThanOrEqual(1_000_000);
    const last = await client.ask('PUT', `${location}?digest=${digestOf(bytes)}`, bytes.subarray(offset), {
      'Content-Range': `${offset}-${bytes.length - 1}`,
    });
    expect(last.status).toBe(201);
    expect(digestOf(await bytesOf(`a/blobs/${digestOf(bytes)}`))).toBe(digestOf(bytes));
  });

  test('of a blob in a single request: nothing of it stays, as nobody could go on with it', async () => {
    const uploads = join(depot.folder, 'data/registry/docker/registry/v2/repositories/a/_uploads');
    const query = `?digest=${digestOf('whole')}`;
    const socket = await half('POST', `/v2/a/blobs/uploads/${query}`, 3_000_000, randomBytes(2_000_000));
    await until(async () => (await readdir(uploads).catch(() => [])).length === 1);
    socket.resetAndDestroy();
    await until(async () => (await readdir(uploads)).length === 0);
  });

  test('of a manifest: nothing of it is to be seen', async () => {
    const image = imageOf(['a layer']);
    for (const blob of image.blobs) await client.pushBlob('a', blob);
    const socket = await half('PUT', '/v2/a/manifests/v1', image.manifest.length + 1, image.manifest);
    socket.end();
    await once(socket, 'close');
    expect((await client.get('a/manifests/v1')).status).toBe(404);
    expect((await client.get(`a/manifests/${image.digest}`)).status).toBe(404);
  });
});
