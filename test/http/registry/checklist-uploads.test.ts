/** What uploads must do, by the numbers of the checklist that the registry was built by. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { errorCodes, plainRequest } from '../../fixtures/plain-request.js';
import { codesOf, digestOf, RegistryClient } from '../../fixtures/registry-client.js';

let depot: LiveDepot;
let client: RegistryClient;
beforeAll(async () => {
  depot = await startLiveDepot();
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterAll(() => depot.remove());

const BYTES = Buffer.from('0123456789');
const range = (first: number, last: number) => ({ 'Content-Range': `${first}-${last}` });
const standing = async (location: string) => (await client.get(location)).headers.get('range');

async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test('checklist 3: a last chunk in PUT at a wrong offset is 416 and changes nothing; the right one is 201', async () => {
  const location = await client.begin('c3');
  await client.ask('PATCH', location, BYTES.subarray(0, 4), range(0, 3));
  const query = `?digest=${digestOf(BYTES)}`;
  for (const wrong of [range(5, 9), range(3, 7)]) {
    const answer = await client.ask('PUT', location + query, BYTES.subarray(5), wrong);
    expect([answer.status, await codesOf(answer)]).toEqual([416, ['BLOB_UPLOAD_INVALID']]);
    expect(answer.headers.get('range')).toBe('0-3');
    expect(await standing(location)).toBe('0-3');
  }
  expect((await client.ask('PUT', location + query, BYTES.subarray(4), range(4, 9))).status).toBe(201);
});

describe('checklist 4: a PATCH', () => {
  test.each([
    ['with a length', BYTES],
    ['in chunks without one', [BYTES]],
  ])('whose range is of another length (%s) is 400, and the offset stays', async (_, body) => {
    const location = await client.begin('c4');
    await client.ask('PATCH', location, BYTES.subarray(0, 4), range(0, 3));
    const headers = range(4, 6);
    const answer = await plainRequest(depot.port, 'PATCH', location, { headers, body });
    expect([answer.status, errorCodes(answer)]).toEqual([400, ['SIZE_INVALID']]);
    expect(await standing(location)).toBe('0-3');
  });

  test.each(['bytes=0-3', '3-0', '0', 'a-b', '-1-3'])('with the range %s is 400', async (field) => {
    const location = await client.begin('c4');
    const answer = await client.ask('PATCH', location, BYTES, { 'Content-Range': field });
    expect([answer.status, await codesOf(answer)]).toEqual([400, ['SIZE_INVALID']]);
    expect(await standing(location)).toBe('0-0');
  });

  test('while another one is being sent is 416; the other one goes on', async () => {
    const location = await client.begin('c4');
    const slow = request({ host: '127.0.0.1', port: depot.port, method: 'PATCH', path: location });
    slow.write(BYTES.subarray(0, 5));
    await new Promise((wake) => setTimeout(wake, 100));
    expect((await client.ask('PATCH', location, BYTES)).status).toBe(416);
    expect((await client.ask('PUT', `${location}?digest=${digestOf(BYTES)}`, BYTES)).status).toBe(416);
    slow.end(BYTES.subarray(5));
    const [answer] = await once(slow, 'response');
    answer.resume();
    expect([answer.statusCode, answer.headers.range]).toEqual([202, '0-9']);
    expect((await client.ask('PUT', `${location}?digest=${digestOf(BYTES)}`)).status).toBe(201);
  });
});

test('checklist 5: a wrong digest is 400; nothing is linked and no file is left', async () => {
  const bytes = randomBytes(100_000);
  const wrong = digestOf(randomBytes(8));
  const before = await filesOf(join(depot.folder, 'data/registry'));
  const location = await client.begin('c5');
  const answers = [
    await client.ask('PUT', `${location}?digest=${wrong}`, bytes),
    await client.ask('POST', `c5/blobs/uploads/?digest=${wrong}`, bytes),
  ];
  for (const answer of answers) {
    expect([answer.status, await codesOf(answer)]).toEqual([400, ['DIGEST_INVALID']]);
  }
  for (const digest of [wrong, digestOf(bytes)]) {
    expect((await client.get(`c5/blobs/${digest}`)).status).toBe(404);
  }
  expect(await filesOf(join(depot.folder, 'data/registry'))).toEqual(before);
});

describe('checklist 6: an upload in a single POST', () => {
  test.each([
    ['sha256', BYTES],
    ['sha512', BYTES],
    ['sha256', Buffer.alloc(0)],
    ['sha512', Buffer.alloc(0)],
  ] as const)('by %s is 201 and comes back', async (algorithm, bytes) => {
    const digest = digestOf(bytes, algorithm);
    for (const body of [bytes, [bytes]]) {
      const path = `/v2/c6/blobs/uploads/?digest=${digest}`;
      const answer = await plainRequest(depot.port, 'POST', path, { body });
      expect([answer.status, answer.headers['docker-content-digest']]).toEqual([201, digest]);
      const got = await plainRequest(depot.port, 'GET', answer.headers.location ?? '');
      expect([got.status, got.body.equals(bytes)]).toEqual([200, true]);
    }
  });

  test('digest-algorithm may be sha512, and not md5', async () => {
    const location = await client.begin('c6', '?digest-algorithm=sha512');
    const digest = digestOf(BYTES, 'sha512');
    expect((await client.ask('PUT', `${location}?digest=${digest}`, BYTES)).status).toBe(201);
    const answer = await client.ask('POST', 'c6/blobs/uploads/?digest-algorithm=md5');
    expect([answer.status, await codesOf(answer)]).toEqual([400, ['DIGEST_INVALID']]);
  });
});

test.each(['sha256', 'sha512'] as const)(
  'checklist 7: mounts by %s: found and anonymous 201, missing 202',
  async (algorithm) => {
    const bytes = randomBytes(1000);
    const digest = digestOf(bytes, algorithm);
    const mount = (query: string) => client.ask('POST', `c7/to/blobs/uploads/?mount=${digest}${query}`);
    for (const query of ['', '&from=c7/from']) {
      const answer = await mount(query);
      expect([answer.status, answer.headers.get('location')]).toEqual([
        202,
        expect.stringMatching(/^\/v2\/c7\/to\/blobs\/uploads\//),
      ]);
      await client.ask('DELETE', answer.headers.get('location') ?? '');
    }
    await client.pushBlob('c7/from', bytes, digest);
    expect((await mount('&from=c7/nowhere')).status).toBe(202);
    for (const query of ['', '&from=c7/from']) {
      const answer = await mount(query);
      expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([201, digest]);
      expect(
        digestOf(
          Buffer.from(await (await client.get(answer.headers.get('location') ?? '')).arrayBuffer()),
          algorithm,
        ),
      ).toBe(digest);
    }
    expect(await codesOf(await client.ask('POST', 'c7/to/blobs/uploads/?mount=sha256:bad'))).toEqual([
      'DIGEST_INVALID',
    ]);
  },
);

describe('too many uploads at a time', () => {
  test('are told to come again; the others go on, and then there is room', async () => {
    const narrow = await startLiveDepot({ settings: { 'limits.uploadsPerClient': 2 } });
    const one = new RegistryClient(`http://127.0.0.1:${narrow.port}`);
    const slow = await Promise.all(
      [1, 2].map(async () => {
        const path = await one.begin('a');
        const req = request({ host: '127.0.0.1', port: narrow.port, method: 'PATCH', path });
        req.write(BYTES);
        return req;
      }),
    );
    await new Promise((wake) => setTimeout(wake, 100));
    const location = await one.begin('a');
    const refused = await one.ask('PATCH', location, BYTES);
    expect([refused.status, await codesOf(refused)]).toEqual([429, ['TOOMANYREQUESTS']]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    for (const req of slow) {
      req.end();
      const [answer] = await once(req, 'response');
      answer.resume();
      expect(answer.statusCode).toBe(202);
    }
    expect((await one.ask('PATCH', location, BYTES)).status).toBe(202);
    await narrow.remove();
  });
});

test('a client that waits to be asked for its bytes is refused without them', async () => {
  const paths = [
    ['PUT', '/v2/A/manifests/v1', 400],
    ['PATCH', '/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000', 404],
    ['PUT', '/v2/a/manifests/large', 413],
  ] as const;
  for (const [method, path, status] of paths) {
    const headers = { Expect: '100-continue', 'Content-Length': 5_000_000 };
    const req = request({ host: '127.0.0.1', port: depot.port, method, path, headers });
    let asked = false;
    req.on('continue', () => {
      asked = true;
    });
    req.flushHeaders();
    const [answer] = await once(req, 'response');
    expect([answer.statusCode, asked]).toEqual([status, false]);
    req.on('error', () => undefined).destroy();
  }
});
