/** How answers look: headers, ranges, errors, methods, by the numbers of the checklist. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { errorCodes, plainRequest } from '../../fixtures/plain-request.js';
import { digestOf, imageOf, OCI_IMAGE, RegistryClient } from '../../fixtures/registry-client.js';

let depot: LiveDepot;
const image = imageOf(['a layer']);
const BLOB = randomBytes(200_000);
const ask = (method: string, path: string, more = {}) => plainRequest(depot.port, method, path, more);

beforeAll(async () => {
  depot = await startLiveDepot({ settings: { 'registry.delete': true } });
  const client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
  await client.push('c2/a', 'v1', image);
  for (const algorithm of ['sha256', 'sha512'] as const) {
    await client.pushBlob('c2/a', BLOB, digestOf(BLOB, algorithm));
    const digest = digestOf(image.manifest, algorithm);
    const answer = await client.pushManifest('c2/a', digest, image.manifest);
    expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([201, digest]);
  }
});
afterAll(() => depot.remove());

const algorithms = ['sha256', 'sha512'] as const;

describe('checklist 2: an answer has its exact length, no charset and no encoding, and HEAD is like GET', () => {
  const blobs = algorithms.map((name) => digestOf(BLOB, name));
  const manifests = algorithms.map((name) => digestOf(image.manifest, name));
  test.each([
    ['/v2/', 'application/json', undefined],
    ['/v2', 'application/json', undefined],
    ['/v2/_catalog', 'application/json', undefined],
    ['/v2/c2/a/tags/list', 'application/json', undefined],
    [`/v2/c2/a/referrers/${image.digest}`, 'application/vnd.oci.image.index.v1+json', undefined],
    ...blobs.map((digest) => [`/v2/c2/a/blobs/${digest}`, 'application/octet-stream', digest] as const),
    ...manifests.map((digest) => [`/v2/c2/a/manifests/${digest}`, OCI_IMAGE, digest] as const),
    ['/v2/c2/a/manifests/v1', OCI_IMAGE, image.digest],
  ])('%s', async (path, type, digest) => {
    const headers = { 'Accept-Encoding': 'gzip, deflate, br' };
    const answer = await ask('GET', path, { headers });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': type,
      'content-length': String(answer.body.length),
      'docker-distribution-api-version': 'registry/2.0',
    });
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.headers['docker-content-digest']).toBe(digest);
    if (digest !== undefined) expect(answer.headers.etag).toBe(`"${digest}"`);
    const head = await ask('HEAD', path, { headers });
    const { date: _, ...same } = answer.headers;
    expect([head.status, head.body.length]).toEqual([200, 0]);
    expect(head.headers).toMatchObject(same);
  });
});

describe('checklist 8: a blob in ranges', () => {
  const path = `/v2/c2/a/blobs/${digestOf(BLOB)}`;
  const whole = BLOB.length;
  test.each([
    ['bytes=0-9', 206, `bytes 0-9/${whole}`, BLOB.subarray(0, 10)],
    ['bytes=199990-', 206, `bytes 199990-199999/${whole}`, BLOB.subarray(199_990)],
    ['bytes=-10', 206, `bytes 199990-199999/${whole}`, BLOB.subarray(199_990)],
    ['bytes=199999-999999', 206, `bytes 199999-199999/${whole}`, BLOB.subarray(199_999)],
    ['bytes=-999999', 206, `bytes 0-199999/${whole}`, BLOB],
    ['bytes=abc', 200, undefined, BLOB],
    ['bytes=', 200, undefined, BLOB],
    ['bytes=-', 200, undefined, BLOB],
    ['items=0-9', 200, undefined, BLOB],
    ['bytes=0-9,0-9abc', 200, undefined, BLOB],
    ['bytes=500-0', 416, `bytes */${whole}`, undefined],
    ['bytes=200000-', 416, `bytes */${whole}`, undefined],
    ['bytes=-0', 416, `bytes */${whole}`, undefined],
  ])('%s is %i', async (range, status, contentRange, bytes) => {
    const answer = await ask('GET', path, { headers: { Range: range } });
    expect([answer.status, answer.headers['content-range']]).toEqual([status, contentRange]);
    if (bytes === undefined) expect(errorCodes(answer)).toEqual(['RANGE_INVALID']);
    else expect(answer.body.equals(bytes)).toBe(true);
  });

  test.each([2, 1000])('%i pieces at once come as one multipart answer', async (pieces) => {
    const starts = Array.from({ length: pieces }, (_, index) => index * 100);
    const range = `bytes=${starts.map((start) => `${start}-${start + 9}`).join(',')}`;
    const answer = await ask('GET', path, { headers: { Range: range } });
    expect(answer.status).toBe(206);
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(
      answer.headers['content-type'] ?? '',
    )?.[1];
    const parts = answer.body.toString('latin1').split(`--${boundary}`).slice(1, -1);
    const got = parts.map((part) => part.slice(part.indexOf('\r\n\r\n') + 4, -2));
    expect(got).toEqual(starts.map((start) => BLOB.toString('latin1', start, start + 10)));
  });

  test('more pieces than that come as the whole', async () => {
    const range = `bytes=${Array.from({ length: 1100 }, (_, index) => `${index * 20}-${index * 20}`).join(',')}`;
    const answer = await ask('GET', path, { headers: { Range: range } });
    expect([answer.status, answer.body.length]).toEqual([200, whole]);
  });

  test.each([path, '/v2/c2/a/manifests/v1'])('what the client has already is not sent: %s', async (at) => {
    const { etag = '' } = (await ask('GET', at)).headers;
    for (const value of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const answer = await ask('GET', at, { headers: { 'If-None-Match': value } });
      expect([answer.status, answer.headers.etag, answer.body.length]).toEqual([304, etag, 0]);
    }
    expect((await ask('GET', at, { headers: { 'If-None-Match': '"x"' } })).status).toBe(200);
  });
});

describe('checklist 13: what cannot be a name is 400, whatever is asked of it', () => {
  const digest = digestOf('x');
  const upload = 'blobs/uploads/00000000-0000-4000-8000-000000000000';
  const endpoints: [method: string, rest: string][] = [
    ['GET', 'tags/list'],
    ['GET', `referrers/${digest}`],
    ...['GET', 'HEAD', 'PUT', 'DELETE'].map((method): [string, string] => [method, 'manifests/v1']),
    ...['GET', 'HEAD', 'DELETE'].map((method): [string, string] => [method, `blobs/${digest}`]),
    ['POST', 'blobs/uploads/'],
    ['POST', `blobs/uploads/?digest=${digest}`],
    ['POST', `blobs/uploads/?mount=${digest}`],
    ...['GET', 'PATCH', 'DELETE'].map((method): [string, string] => [method, upload]),
    ['PUT', `${upload}?digest=${digest}`],
  ];
  const names = [
    'A/b',
    '../x',
    'a//b',
    'a/_uploads',
    'a/../b',
    'a/-b',
    'a/b.',
    'a%2F..%2Fb',
    'a%00',
    '%ff',
    'a'.repeat(256),
  ];
  test.each(names)('the repository %s', async (name) => {
    for (const [method, rest] of endpoints) {
      const answer = await ask(method, `/v2/${name}/${rest}`);
      expect([method, rest, answer.status]).toEqual([method, rest, 400]);
      if (method === 'HEAD') expect(answer.body).toHaveLength(0);
      else expect(errorCodes(answer)).toEqual(['NAME_INVALID']);
    }
  });

  test.each([
    ['x'.repeat(129), 'TAG_INVALID'],
    ['.x', 'TAG_INVALID'],
    ['-x', 'TAG_INVALID'],
    ['x%20y', 'TAG_INVALID'],
    ['..', 'TAG_INVALID'],
    ['sha256:baddigeststring', 'DIGEST_INVALID'],
    [`sha256:${'A'.repeat(64)}`, 'DIGEST_INVALID'],
    [`sha512:${'0'.repeat(64)}`, 'DIGEST_INVALID'],
    [`md5:${'0'.repeat(32)}`, 'DIGEST_INVALID'],
  ])('the reference %s', async (reference, code) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const answer = await ask(method, `/v2/c2/a/manifests/${reference}`);
      expect(answer.status).toBe(400);
      if (method !== 'HEAD') expect(errorCodes(answer)).toEqual([code]);
    }
    if (code === 'TAG_INVALID') return;
    for (const path of [`blobs/${reference}`, `referrers/${reference}`]) {
      expect(errorCodes(await ask('GET', `/v2/c2/a/${path}`))).toEqual(['DIGEST_INVALID']);
    }
  });
});

describe('a method that an address does not have is 405 with those it has', () => {
  const digest = digestOf(BLOB);
  const upload = '/v2/c2/a/blobs/uploads/00000000-0000-4000-8000-000000000000';
  const all = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
  test.each([
    ['/v2/', ['GET', 'HEAD']],
    ['/v2/_catalog', ['GET', 'HEAD']],
    ['/v2/c2/a/tags/list', ['GET', 'HEAD']],
    [`/v2/c2/a/referrers/${digest}`, ['GET', 'HEAD']],
    [`/v2/c2/a/blobs/${digest}`, ['GET', 'HEAD', 'DELETE']],
    ['/v2/c2/a/manifests/v1', ['GET', 'HEAD', 'PUT', 'DELETE']],
    ['/v2/c2/a/blobs/uploads/', ['POST']],
    [upload, ['GET', 'PATCH', 'PUT', 'DELETE']],
  ])('%s', async (path, has) => {
    for (const method of all.filter((each) => !has.includes(each))) {
      const answer = await ask(method, path);
      expect([method, answer.status, answer.headers.allow?.split(', ')]).toEqual([method, 405, has]);
      expect(answer.headers['docker-distribution-api-version']).toBe('registry/2.0');
      if (method === 'HEAD') expect(answer.body).toHaveLength(0);
      else expect(errorCodes(answer)).toEqual(['UNSUPPORTED']);
    }
  });
});

test('an error on HEAD has the headers that GET has, and no body', async () => {
  for (const path of ['/v2/c2/a/manifests/none', `/v2/c2/a/blobs/${digestOf('none')}`, '/v2/A/tags/list']) {
    const get = await ask('GET', path);
    const head = await ask('HEAD', path);
    const { date: _, ...same } = get.headers;
    expect([head.status, head.body.length]).toEqual([get.status, 0]);
    expect(head.headers).toMatchObject(same);
  }
});
