/** What is asked of blobs: every way to push one, and what must not be one. */
import { randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import { digestOf } from '../fixtures/registry-client.js';
import type { Algorithm, TestBlob } from './data-sets.js';
import type { RegistryUnderTest } from './registry-under-test.js';

/** One thing that is done with a blob of its own in a repository; the blob is there afterwards, or nothing is. */
export type BlobStep = (registry: RegistryUnderTest, name: string, blob: TestBlob) => Promise<void>;

const uploads = (name: string) => `/v2/${name}/blobs/uploads/`;
const withDigest = (location: string, digest: string) =>
  `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`;

async function begin(registry: RegistryUnderTest, name: string, query = ''): Promise<string> {
  const answer = await registry.expect('upload: POST', ['POST', uploads(name) + query], 202);
  expect(answer.headers.location).toMatch(/\/blobs\/uploads\//);
  return answer.headers.location ?? '';
}

const ranged = (start: number, bytes: Buffer) => ({
  headers: {
    'Content-Range': `${start}-${start + bytes.length - 1}`,
    'Content-Type': 'application/octet-stream',
  },
  body: bytes,
});

/** Ways to push a blob that may be of any size. */
export const PUSHES: Readonly<Record<string, BlobStep>> = {
  'one POST': async (registry, name, blob) => {
    const path = `${uploads(name)}?digest=${blob.digest}`;
    await registry.expectCreated(
      await registry.expect('upload: one POST', ['POST', path, { body: blob.bytes }], 201),
      blob,
    );
  },
  'POST and PUT': async (registry, name, blob) => {
    const path = withDigest(await begin(registry, name), blob.digest);
    await registry.expectCreated(
      await registry.expect('upload: POST, PUT', ['PUT', path, { body: blob.bytes }], 201),
      blob,
    );
  },
  'one chunk': async (registry, name, blob) => {
    const location = await begin(registry, name);
    const more = blob.bytes.length === 0 ? {} : ranged(0, blob.bytes);
    const part = await registry.expect('upload: PATCH with range', ['PATCH', location, more], 202);
    const path = withDigest(part.headers.location ?? '', blob.digest);
    await registry.expectCreated(await registry.expect('upload: PUT without body', ['PUT', path], 201), blob);
  },
  'one stream': async (registry, name, blob) => {
    const location = await begin(registry, name);
    const half = blob.bytes.length >> 1;
    const body = [blob.bytes.subarray(0, half), blob.bytes.subarray(half)];
    const part = await registry.expect('upload: PATCH as stream', ['PATCH', location, { body }], 202);
    const path = withDigest(part.headers.location ?? '', blob.digest);
    await registry.expectCreated(await registry.expect('upload: PUT without body', ['PUT', path], 201), blob);
  },
  'PUT as stream': async (registry, name, blob) => {
    const path = withDigest(await begin(registry, name), blob.digest);
    const body = [blob.bytes];
    await registry.expectCreated(
      await registry.expect('upload: PUT as stream', ['PUT', path, { body }], 201),
      blob,
    );
  },
};

async function state(registry: RegistryUnderTest, location: string, range: string): Promise<void> {
  const answer = await registry.expect('upload: GET', ['GET', location], 204);
  expect(answer.headers.range).toBe(range);
}

/** Pushes in three parts, with parts out of order in between, which change nothing. */
function inParts(last: 'PATCH' | 'PUT'): BlobStep {
  return async (registry, name, blob) => {
    const { bytes, digest } = blob;
    const third = Math.floor(bytes.length / 3);
    const parts = [
      bytes.subarray(0, third),
      bytes.subarray(third, 2 * third),
      bytes.subarray(2 * third),
    ] as const;
    let location = await begin(registry, name);
    await state(registry, location, '0-0');
    const outOfOrder = ['PATCH', location, ranged(third, parts[1])] as const;
    await registry.expect('upload: PATCH out of order', outOfOrder, 416, 'BLOB_UPLOAD_INVALID');
    await state(registry, location, '0-0');
    for (const [index, part] of parts.slice(0, last === 'PUT' ? 2 : 3).entries()) {
      const patch = ['PATCH', location, ranged(index * third, part)] as const;
      const answer = await registry.expect('upload: PATCH with range', patch, 202);
      expect(answer.headers.range).toBe(`0-${index * third + part.length - 1}`);
      location = answer.headers.location ?? '';
      const again = ['PATCH', location, ranged(index * third, part)] as const;
      await registry.expect('upload: PATCH out of order', again, 416, 'BLOB_UPLOAD_INVALID');
      await state(registry, location, answer.headers.range ?? '');
    }
    const path = withDigest(location, digest);
    if (last === 'PUT') {
      const wrong = ['PUT', path, ranged(1, parts[2])] as const;
      await registry.expect('upload: PUT out of order', wrong, 416, 'BLOB_UPLOAD_INVALID');
      await state(registry, location, `0-${2 * third - 1}`);
    }
    const put = ['PUT', path, last === 'PUT' ? ranged(2 * third, parts[2]) : {}] as const;
    await registry.expectCreated(await registry.expect('upload: PUT of the last part', put, 201), blob);
    await registry.expect('upload: GET after the end', ['GET', location], 404, 'BLOB_UPLOAD_UNKNOWN');
  };
}

const RANGES: readonly (readonly [range: string, start: number, end: number])[] = [
  ['bytes=0-0', 0, 1],
  ['bytes=10-19', 10, 20],
  ['bytes=2990-', 2990, 3000],
  ['bytes=-10', 2990, 3000],
  ['bytes=2995-9999', 2995, 3000],
  ['bytes=0-2999', 0, 3000],
];

/** Steps for a blob of 3,000 bytes. */
export const STEPS: Readonly<Record<string, BlobStep>> = {
  ...PUSHES,
  'three parts': inParts('PATCH'),
  'three parts, the last in PUT': inParts('PUT'),
  'what is missing': async (registry, name, { digest }) => {
    const path = `/v2/${name}/blobs/${digest}`;
    await registry.expect('blob: GET', ['GET', path], 404, 'BLOB_UNKNOWN');
    await registry.expect('blob: HEAD', ['HEAD', path], 404);
    await registry.expect('blob: DELETE', ['DELETE', path], 404, 'BLOB_UNKNOWN');
  },
  cancel: async (registry, name, { bytes }) => {
    const location = await begin(registry, name);
    await registry.expect('upload: PATCH with range', ['PATCH', location, ranged(0, bytes)], 202);
    await registry.expect('upload: DELETE', ['DELETE', location], 204);
    await registry.expect('upload: GET after the end', ['GET', location], 404, 'BLOB_UPLOAD_UNKNOWN');
    await registry.expect('upload: DELETE', ['DELETE', location], 404, 'BLOB_UPLOAD_UNKNOWN');
  },
  mount: async (registry, name, blob) => {
    await PUSHES['one POST']?.(registry, `${name}/source`, blob);
    for (const query of [`?mount=${blob.digest}&from=${name}/source`, `?mount=${blob.digest}`]) {
      const target = `${name}/target${query.length}`;
      const api = query.includes('from') ? 'mount: from' : 'mount: anonymous';
      await registry.expectCreated(await registry.expect(api, ['POST', uploads(target) + query], 201), blob);
      await registry.expectDeleted('blob: DELETE', `/v2/${target}/blobs/${blob.digest}`);
    }
    await registry.expectDeleted('blob: DELETE', `/v2/${name}/source/blobs/${blob.digest}`);
  },
  'mount of what is missing': async (registry, name, blob) => {
    const query = `?mount=${blob.digest}&from=${name}/nothing`;
    const answer = await registry.expect('mount: missing', ['POST', uploads(name) + query], 202);
    const path = withDigest(answer.headers.location ?? '', blob.digest);
    await registry.expectCreated(
      await registry.expect('upload: POST, PUT', ['PUT', path, { body: blob.bytes }], 201),
      blob,
    );
  },
  'by the algorithm that was named': async (registry, name, blob) => {
    const [algorithm] = blob.digest.split(':');
    const path = withDigest(await begin(registry, name, `?digest-algorithm=${algorithm}`), blob.digest);
    const answer = await registry.expect(
      'upload: digest-algorithm',
      ['PUT', path, { body: blob.bytes }],
      201,
    );
    await registry.expectCreated(answer, blob);
    const unknown = ['POST', `${uploads(name)}?digest-algorithm=md5`] as const;
    await registry.expect('upload: digest-algorithm', unknown, 400, 'DIGEST_INVALID');
  },
  ranges: async (registry, name, blob) => {
    await PUSHES['one POST']?.(registry, name, blob);
    const path = `/v2/${name}/blobs/${blob.digest}`;
    for (const [range, start, end] of RANGES) {
      const answer = await registry.expect(
        'blob: GET of a range',
        ['GET', path, { headers: { Range: range } }],
        206,
      );
      expect(answer.headers['content-range']).toBe(`bytes ${start}-${end - 1}/3000`);
      expect(answer.body.equals(blob.bytes.subarray(start, end))).toBe(true);
    }
    const beyond = ['GET', path, { headers: { Range: 'bytes=3000-' } }] as const;
    await registry.expect('blob: GET of a range', beyond, 416);
    const head = await registry.expect('blob: HEAD', ['HEAD', path], 200);
    expect(head.headers).toMatchObject({ 'content-length': '3000', 'docker-content-digest': blob.digest });
    const known = ['GET', path, { headers: { 'If-None-Match': head.headers.etag ?? '' } }] as const;
    await registry.expect('blob: GET of what is known', known, 304);
  },
  'bad digests': async (registry, name, { bytes, digest }) => {
    const hex = digest.slice(digest.indexOf(':') + 1);
    const bad = [
      digestOf(randomBytes(8), digest.startsWith('sha512') ? 'sha512' : 'sha256'),
      `${digest}0`,
      digest.replace(hex, hex.toUpperCase().replace(/^./, 'A')),
      `md5:${hex.slice(0, 32)}`,
      'sha256:baddigeststring',
    ];
    for (const wrong of bad) {
      const one = ['POST', `${uploads(name)}?digest=${wrong}`, { body: bytes }] as const;
      await registry.expect('upload: bad digest', one, 400, 'DIGEST_INVALID');
      const location = await begin(registry, name);
      const two = ['PUT', withDigest(location, wrong), { body: bytes }] as const;
      await registry.expect('upload: bad digest', two, 400, 'DIGEST_INVALID');
    }
    await registry.expect('blob: GET', ['GET', `/v2/${name}/blobs/${digest}`], 404, 'BLOB_UNKNOWN');
    for (const method of ['GET', 'HEAD']) {
      await registry.expect('blob: bad digest', [method, `/v2/${name}/blobs/sha256:baddigeststring`], 400);
    }
  },
};

/** A blob that nobody has. */
export function newBlob(algorithm: Algorithm, bytes = randomBytes(3000)): TestBlob {
  return { digest: digestOf(bytes, algorithm), bytes };
}
