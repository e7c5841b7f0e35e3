/** A disk that has no room left, seen by clients: a clear answer, nothing by half, and then it goes on. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as real from 'node:fs/promises';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { LiveDepot } from '../../fixtures/live-depot.js';
import { codesOf, digestOf, imageOf, RegistryClient } from '../../fixtures/registry-client.js';
import { until } from '../../fixtures/until.js';
import { CrashingDisk } from '../../registry/crash/crashing-disk.js';

const disk = new CrashingDisk(real);
jest.unstable_mockModule('node:fs/promises', () => disk.module);
const { startLiveDepot } = await import('../../fixtures/live-depot.js');
const { collectGarbage, openRegistry } = await import('../../../server/index.js');

let depot: LiveDepot;
let client: RegistryClient;
async function start(settings: Readonly<Record<string, unknown>> = {}): Promise<void> {
  depot = await startLiveDepot({ settings: { 'registry.delete': true, ...settings } });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
}
afterEach(async () => {
  disk.full = false;
  await depot.remove();
});

const IMAGE = imageOf(['a layer']);
const own = (name: string) => join(depot.folder, 'data/registry/.bootdepot', name);

async function expectFull(answer: Response): Promise<void> {
  expect([answer.status, await codesOf(answer)]).toEqual([507, ['UNAVAILABLE']]);
}

/** A request whose body is sent as the test likes. */
function slowly(method: string, path: string, headers: Record<string, string | number> = {}): ClientRequest {
  const sent = request({ host: '127.0.0.1', port: depot.port, method, path, headers });
  // Whoever answers early may close.
  sent.on('error', () => undefined);
  return sent;
}

async function answerOf(sent: ClientRequest): Promise<{ status: number | undefined; body: string }> {
  const [answer]: IncomingMessage[] = await once(sent, 'response');
  let body = '';
  for await (const text of answer?.setEncoding('utf8') ?? []) body += text;
  return { status: answer?.statusCode, body };
}

async function offsetOf(location: string): Promise<number> {
  const last = Number((await client.get(location)).headers.get('range')?.split('-')[1]);
  return last === 0 ? 0 : last + 1;
}

describe('a full disk', () => {
  beforeEach(() => start());

  test('in the middle of a PATCH: 507, and with room again the same session goes on', async () => {
    await client.push('a', 'v1', IMAGE);
    const bytes = randomBytes(8_000_000);
    const location = await client.begin('b');
    const sent = slowly('PATCH', location, { 'Content-Length': bytes.length });
    sent.write(bytes.subarray(0, 3_000_000));
    await until(async () => (await offsetOf(location)) >= 1_000_000);
    disk.full = true;
    sent.end(bytes.subarray(3_000_000));
    const { status, body } = await answerOf(sent);
    expect([status, JSON.parse(body).errors[0].code]).toEqual([507, 'UNAVAILABLE']);
    expect((await client.get('a/manifests/v1')).status).toBe(200);
    expect((await client.get(`a/blobs/${digestOf('a layer')}`)).status).toBe(200);
    const offset = await offsetOf(location);
    expect(offset).toBeGreaterThanOrEqual(1_000_000);
    expect(offset).toBeLessThan(bytes.length);
    await expectFull(await client.ask('PATCH', location, bytes.subarray(offset)));
    disk.full = false;
    const rest = { 'Content-Range': `${offset}-${bytes.length - 1}` };
    expect((await client.ask('PATCH', location, bytes.subarray(offset), rest)).status).toBe(202);
    expect((await client.ask('PUT', `${location}?digest=${digestOf(bytes)}`)).status).toBe(201);
    const got = await client.get(`b/blobs/${digestOf(bytes)}`);
    expect(digestOf(Buffer.from(await got.arrayBuffer()))).toBe(digestOf(bytes));
  });

  test('a body without a length is answered in its middle, too', async () => {
    const location = await client.begin('b');
    const sent = slowly('PATCH', location, { 'Transfer-Encoding': 'chunked' });
    disk.full = true;
    sent.write(randomBytes(3_000_000));
    expect((await answerOf(sent)).status).toBe(507);
    sent.destroy();
  });

  test('when all bytes are here and only the link is missing: the same session finishes', async () => {
    const location = await client.begin('b');
    await client.ask('PATCH', location, 'all of it');
    disk.full = true;
    await expectFull(await client.ask('PUT', `${location}?digest=${digestOf('all of it')}`));
    expect((await client.get(`b/blobs/${digestOf('all of it')}`)).status).toBe(404);
    disk.full = false;
    expect((await client.ask('PUT', `${location}?digest=${digestOf('all of it')}`)).status).toBe(201);
  });

  test('a manifest, a tag and a new upload: 507 and nothing by half; then they are taken', async () => {
    for (const blob of IMAGE.blobs) await client.pushBlob('a', blob);
    disk.full = true;
    await expectFull(await client.pushManifest('a', 'v1', IMAGE.manifest));
    await expectFull(await client.ask('POST', 'new/blobs/uploads/'));
    expect((await client.get('a/manifests/v1')).status).toBe(404);
    disk.full = false;
    await client.pushManifest('a', IMAGE.digest, IMAGE.manifest);
    disk.full = true;
    await expectFull(await client.pushManifest('a', 'v1', IMAGE.manifest));
    expect((await client.get('a/manifests/v1')).status).toBe(404);
    expect((await client.get(`a/manifests/${IMAGE.digest}`)).status).toBe(200);
    expect(await real.readdir(own('stage'))).toEqual([]);
    disk.full = false;
    expect((await client.pushManifest('a', 'v1', IMAGE.manifest)).status).toBe(201);
    expect((await client.get('a/manifests/v1')).status).toBe(200);
  });

  test('removing makes room: deletions and garbage collection need none', async () => {
    await client.push('a', 'v1', IMAGE);
    await client.push('a', 'v2', imageOf(['another layer']));
    disk.full = true;
    expect((await client.ask('DELETE', 'a/manifests/v1')).status).toBe(202);
    expect((await client.ask('DELETE', `a/manifests/${IMAGE.digest}`)).status).toBe(202);
    const dir = join(depot.folder, 'data/registry');
    const registry = await openRegistry({ dir, freeSpace: 0, onDamage: () => undefined });
    // The shortest grace there is: the times of files go in steps.
    await sleep(30);
    const report = await collectGarbage(registry, {
      ...{ graceMs: 0, uploadsMs: 0, untagged: 'keep', dryRun: false },
    });
    expect(report.removed.content).toBe(2);
    expect((await client.get('a/manifests/v2')).status).toBe(200);
    expect((await client.get(`a/blobs/${digestOf('a layer')}`)).status).toBe(404);
  });
});

describe('less room than is to stay free', () => {
  beforeEach(async () => {
    await start({ 'limits.freeSpace': '0B' });
    await client.push('a', 'v1', IMAGE);
  });

  test('pushes are refused before their body comes; pulls, deletions and collections go on', async () => {
    const location = await client.begin('a');
    const { folder } = depot;
    await depot.stop();
    const full = await startLiveDepot({
      settings: { 'registry.delete': true, 'limits.freeSpace': '1000TiB', 'data.dir': join(folder, 'data') },
    });
    const first = { ...depot };
    depot = { ...full, remove: () => full.remove().then(() => first.remove()) };
    client = new RegistryClient(`http://127.0.0.1:${full.port}`);
    await expectFull(await client.ask('POST', 'a/blobs/uploads/'));
    await expectFull(await client.pushManifest('a', 'v2', IMAGE.manifest));
    const sent = slowly('PATCH', location, { Expect: '100-continue', 'Content-Length': 1_000_000 });
    let asked = false;
    sent.on('continue', () => {
      asked = true;
    });
    sent.flushHeaders();
    expect((await answerOf(sent)).status).toBe(507);
    sent.destroy();
    expect(asked).toBe(false);
    expect((await client.get('a/manifests/v1')).status).toBe(200);
    expect((await client.ask('DELETE', location)).status).toBe(204);
    expect((await client.ask('DELETE', 'a/manifests/v1')).status).toBe(202);
  });
});
