/** A blob that is known is opened at once, and only as long as the folder says so. */
import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { Blobs } from '../../../server/registry/blobs.js';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { digestOf, RegistryClient } from '../../fixtures/registry-client.js';

let depot: LiveDepot;
let client: RegistryClient;
const finds = jest.spyOn(Blobs.prototype, 'find');
beforeEach(async () => {
  depot = await startLiveDepot({ settings: { 'registry.delete': true } });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
  await client.pushBlob('a', BYTES);
  await makeHot();
});
afterEach(() => depot.remove());

const BYTES = randomBytes(300_000);
const DIGEST = digestOf(BYTES);
const PATH = `a/blobs/${DIGEST}`;
const root = () => join(depot.folder, 'data/registry/docker/registry/v2');
const data = () => join(root(), 'blobs/sha256', DIGEST.slice(7, 9), DIGEST.slice(7), 'data');
const link = () => join(root(), 'repositories/a/_layers/sha256', DIGEST.slice(7), 'link');

async function isFoundAnew(): Promise<boolean> {
  const before = finds.mock.calls.length;
  await (await client.get(PATH)).arrayBuffer();
  return finds.mock.calls.length > before;
}

/** Asks until the blob is known: the files must have been left alone for a moment. */
async function makeHot(): Promise<void> {
  for (let count = 0; await isFoundAnew(); count += 1) {
    if (count === 200) throw new Error('the blob is never known');
    await sleep(20);
  }
}

test('it is the same answer, whole and in pieces', async () => {
  const whole = await client.get(PATH);
  expect(Object.fromEntries(whole.headers)).toMatchObject({
    'accept-ranges': 'bytes',
    'content-length': '300000',
    'content-type': 'application/octet-stream',
    'docker-content-digest': DIGEST,
    'docker-distribution-api-version': 'registry/2.0',
    etag: `"${DIGEST}"`,
    'x-content-type-options': 'nosniff',
  });
  expect(Buffer.from(await whole.arrayBuffer()).equals(BYTES)).toBe(true);
  const part = await client.get(PATH, { Range: 'bytes=1000-200000' });
  expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 1000-200000/300000']);
  expect(Buffer.from(await part.arrayBuffer()).equals(BYTES.subarray(1000, 200_001))).toBe(true);
  expect((await client.get(PATH, { Range: 'bytes=300000-' })).status).toBe(416);
  expect((await client.get(PATH, { 'If-None-Match': `"${DIGEST}"` })).status).toBe(304);
});

test('it is gone at once when it is deleted, and there when it is mounted again', async () => {
  await client.pushBlob('b', BYTES);
  expect((await client.ask('DELETE', PATH)).status).toBe(202);
  expect((await client.get(PATH)).status).toBe(404);
  const mount = `a/blobs/uploads/?mount=${DIGEST}&from=b`;
  expect((await client.ask('POST', mount)).status).toBe(201);
  expect((await client.get(PATH)).status).toBe(200);
});

test.each([
  ['its link', link],
  ['its bytes', data],
])('it is gone at once when another program removes %s', async (_, path) => {
  await rm(path());
  expect((await client.get(PATH)).status).toBe(404);
});

test('it is checked again once somebody has written to it', async () => {
  const damaged = await readFile(data());
  damaged.writeUInt8(damaged.readUInt8(5) ^ 1, 5);
  await writeFile(data(), damaged);
  const outcome = client.get(PATH).then((answer) => answer.arrayBuffer());
  await expect(outcome).rejects.toThrow();
  expect((await client.get(PATH)).status).toBe(404);
});
