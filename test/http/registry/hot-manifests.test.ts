/** A manifest in memory is never anything but what the folder says. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Content } from '../../../server/registry/content.js';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { imageOf, RegistryClient, type TestImage } from '../../fixtures/registry-client.js';

let depot: LiveDepot;
let client: RegistryClient;
const reads = jest.spyOn(Content.prototype, 'read');
beforeEach(async () => {
  depot = await startLiveDepot({ settings: { 'registry.delete': true } });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterEach(() => depot.remove());

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const ONE = imageOf(['one']);
const OTHER = imageOf(['other']);
const MANIFESTS = 'data/registry/docker/registry/v2/repositories/a/_manifests';
const tagFolder = (tag: string) => join(depot.folder, MANIFESTS, 'tags', tag);

function dataOf(digest: string): string {
  const hex = digest.slice('sha256:'.length);
  const folder = join('data/registry/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex);
  return join(depot.folder, folder, 'data');
}

/** The digest that is answered, or the status of a failure. */
async function digestAt(reference: string, headers: Record<string, string> = {}) {
  const answer = await client.get(`a/manifests/${reference}`, headers);
  await answer.arrayBuffer();
  return answer.ok ? answer.headers.get('docker-content-digest') : answer.status;
}

async function comesFromMemory(path: string, headers: Record<string, string> = {}): Promise<boolean> {
  const before = reads.mock.calls.length;
  await (await client.get(path, headers)).arrayBuffer();
  return reads.mock.calls.length === before;
}

/** Asks until the answer comes from memory: the files must have been left alone for a moment. */
async function makeHot(path: string): Promise<void> {
  for (let count = 0; !(await comesFromMemory(path)); count += 1) {
    if (count === 200) throw new Error(`${path} is never in memory`);
    await sleep(20);
  }
}

async function pushHot(image: TestImage): Promise<void> {
  await client.push('a', 'v1', image);
  await makeHot('a/manifests/v1');
  await makeHot(`a/manifests/${image.digest}`);
}

describe('a manifest that is in memory', () => {
  test('is answered as it was before', async () => {
    await client.push('a', 'v1', ONE);
    const passing = ['connection', 'date', 'keep-alive'];
    const fields = ({ headers }: Response) => [...headers].filter(([name]) => !passing.includes(name)).sort();
    const first = await client.get('a/manifests/v1');
    await makeHot('a/manifests/v1');
    const later = await client.get('a/manifests/v1');
    expect(fields(later)).toEqual(fields(first));
    expect(Buffer.from(await later.arrayBuffer()).equals(ONE.manifest)).toBe(true);
    const head = await client.ask('HEAD', 'a/manifests/v1');
    expect([head.status, fields(head)]).toEqual([200, fields(first)]);
    const known = await client.get('a/manifests/v1', { 'If-None-Match': `"${ONE.digest}"` });
    expect([known.status, known.headers.get('docker-content-digest')]).toEqual([304, ONE.digest]);
  });

  test('has its tag, its digest and its size in the log as before', async () => {
    await pushHot(ONE);
    const lines = () =>
      depot.log().filter(({ path, status }) => path === '/v2/a/manifests/v1' && status === 200);
    const first = lines()[0];
    expect(first).toMatchObject({ reference: 'v1', digest: ONE.digest, bytes: ONE.manifest.length });
    const { reference, digest, bytes } = first ?? {};
    expect(lines().at(-1)).toMatchObject({ reference, digest, bytes });
  });

  test('keeps every byte, also of what is no ASCII or is large', async () => {
    for (const [tag, note] of [
      ['v1', 'größer ☃'],
      ['v2', 'ß'.repeat(30_000)],
    ] as const) {
      const image = imageOf(['one'], { annotations: { note } });
      await client.push('a', tag, image);
      await makeHot(`a/manifests/${tag}`);
      const answer = await client.get(`a/manifests/${tag}`);
      expect(Buffer.from(await answer.arrayBuffer()).equals(image.manifest)).toBe(true);
    }
  });

  test('is forgotten by its tag at once when the tag is moved', async () => {
    await pushHot(ONE);
    for (const image of [OTHER, ONE, OTHER]) {
      await client.push('a', 'v1', image);
      expect(await digestAt('v1')).toBe(image.digest);
    }
  });

  test('is gone at once with its tag, and stays under its digest', async () => {
    await pushHot(ONE);
    expect((await client.ask('DELETE', 'a/manifests/v1')).status).toBe(202);
    expect([await digestAt('v1'), await digestAt(ONE.digest)]).toEqual([404, ONE.digest]);
  });

  test('is gone at once when it is deleted', async () => {
    await pushHot(ONE);
    expect((await client.ask('DELETE', `a/manifests/${ONE.digest}`)).status).toBe(202);
    expect([await digestAt('v1'), await digestAt(ONE.digest)]).toEqual([404, 404]);
  });

  test('is not what another program has moved the tag away from', async () => {
    await client.push('a', 'v2', OTHER);
    await pushHot(ONE);
    await writeFile(join(tagFolder('v1'), 'current/link'), OTHER.digest);
    expect(await digestAt('v1')).toBe(OTHER.digest);
    await makeHot('a/manifests/v1');
    const replacement = join(depot.folder, 'link');
    await writeFile(replacement, ONE.digest);
    await rename(replacement, join(tagFolder('v1'), 'current/link'));
    expect(await digestAt('v1')).toBe(ONE.digest);
  });

  test.each([
    ['the tag', () => tagFolder('v1')],
    ['the repository', () => join(depot.folder, MANIFESTS, '..')],
    ['the revision', () => join(depot.folder, MANIFESTS, 'revisions', ONE.digest.replace(':', '/'))],
    ['the bytes', () => dataOf(ONE.digest)],
  ])('is gone at once when another program removes %s', async (_, path) => {
    await pushHot(ONE);
    await rm(path(), { recursive: true });
    expect(await digestAt('v1')).toBe(404);
  });

  test('is not answered any more once its bytes on the disk are damaged', async () => {
    await pushHot(ONE);
    const bytes = await readFile(dataOf(ONE.digest));
    bytes.writeUInt8(bytes.readUInt8(3) ^ 1, 3);
    await writeFile(dataOf(ONE.digest), bytes);
    expect([await digestAt('v1'), await digestAt(ONE.digest)]).toEqual([404, 404]);
  });
});

describe('memory is not asked', () => {
  test('for an index by a client that names no index among what it takes', async () => {
    await client.push('a', 'v1', ONE);
    const child = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: ONE.digest };
    const manifests = [
      { ...child, size: ONE.manifest.length, platform: { os: 'linux', architecture: 'amd64' } },
    ];
    const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
    expect((await client.pushManifest('a', 'all', index, OCI_INDEX)).status).toBe(201);
    await makeHot('a/manifests/all');
    const from = (Accept: string) => comesFromMemory('a/manifests/all', { Accept });
    expect(await from(`${child.mediaType}, ${OCI_INDEX}`)).toBe(true);
    expect(await from('*/*')).toBe(true);
    expect(await from(child.mediaType)).toBe(false);
  });

  test('where there is a query, which may mean another registry', async () => {
    await pushHot(ONE);
    expect(await comesFromMemory('a/manifests/v1?ns=registry.example.com')).toBe(false);
  });

  test('where none was allowed', async () => {
    const small = await startLiveDepot({ settings: { 'registry.memory': '1KiB' } });
    const other = new RegistryClient(`http://127.0.0.1:${small.port}`);
    await other.push('a', 'v1', ONE);
    await sleep(150);
    for (let count = 0; count < 3; count += 1) {
      const before = reads.mock.calls.length;
      await (await other.get('a/manifests/v1')).arrayBuffer();
      expect(reads.mock.calls.length).toBeGreaterThan(before);
      await sleep(20);
    }
    await small.remove();
  });
});
