/** What goes into the registry comes out again: uploads in all their forms, manifests, tags, lists. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { codesOf, digestOf, imageOf, OCI_IMAGE, RegistryClient } from '../../fixtures/registry-client.js';

let depot: LiveDepot;
let client: RegistryClient;
beforeAll(async () => {
  depot = await startLiveDepot({ settings: { 'registry.delete': true } });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterAll(() => depot.remove());

const BYTES = Buffer.from('0123456789');
const MISSING = `sha256:${'0'.repeat(64)}`;

test('the base says that this is a registry', async () => {
  for (const path of ['/v2/', '/v2']) {
    const answer = await client.get(path);
    expect([answer.status, await answer.text()]).toEqual([200, '{}']);
    expect(answer.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
    expect(answer.headers.get('content-type')).toBe('application/json');
  }
});

describe('an upload', () => {
  async function expectBlob(name: string, bytes: Buffer, digest: string) {
    const answer = await client.get(`${name}/blobs/${digest}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('docker-content-digest')).toBe(digest);
    expect(answer.headers.get('etag')).toBe(`"${digest}"`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
  }

  test.each(['sha256', 'sha512'] as const)('comes in one request, by %s', async (algorithm) => {
    const bytes = randomBytes(3_000_000);
    const digest = digestOf(bytes, algorithm);
    const answer = await client.ask('POST', `up/one/blobs/uploads/?digest=${digest}`, bytes);
    expect([answer.status, answer.headers.get('location')]).toEqual([201, `/v2/up/one/blobs/${digest}`]);
    await expectBlob('up/one', bytes, digest);
  });

  test.each(['sha256', 'sha512'] as const)('comes in two requests, by %s', async (algorithm) => {
    const bytes = randomBytes(100_000);
    const digest = digestOf(bytes, algorithm);
    const answer = await client.pushBlob('up/two', bytes, digest);
    expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([201, digest]);
    await expectBlob('up/two', bytes, digest);
  });

  test('may be empty', async () => {
    const empty = Buffer.alloc(0);
    expect((await client.pushBlob('up/empty', empty)).status).toBe(201);
    await expectBlob('up/empty', empty, digestOf(empty));
  });

  test('comes in parts, each where it belongs; one out of order changes nothing', async () => {
    const location = await client.begin('up/parts');
    const part = (start: number, end: number, method = 'PATCH', query = '') =>
      client.ask(method, location + query, BYTES.subarray(start, end), {
        'Content-Range': `${start}-${end - 1}`,
      });
    expect((await part(4, 8)).status).toBe(416);
    const first = await part(0, 4);
    expect([first.status, first.headers.get('range'), first.headers.get('location')]).toEqual([
      202,
      '0-3',
      location,
    ]);
    const wrong = await part(6, 8);
    expect([wrong.status, wrong.headers.get('range')]).toEqual([416, '0-3']);
    const state = await client.get(location);
    expect([state.status, state.headers.get('range')]).toEqual([204, '0-3']);
    expect((await part(4, 8)).headers.get('range')).toBe('0-7');
    const query = `?digest=${digestOf(BYTES)}`;
    expect((await part(9, 10, 'PUT', query)).status).toBe(416);
    expect((await part(8, 10, 'PUT', query)).status).toBe(201);
    await expectBlob('up/parts', BYTES, digestOf(BYTES));
    expect((await client.get(location)).status).toBe(404);
  });

  test('whose length is not that of its range is refused, and nothing of it is taken', async () => {
    const location = await client.begin('up/size');
    const answer = await client.ask('PATCH', location, BYTES, { 'Content-Range': '0-3' });
    expect([answer.status, await codesOf(answer)]).toEqual([400, ['SIZE_INVALID']]);
    expect((await client.get(location)).headers.get('range')).toBe('0-0');
  });

  test('with a wrong digest is dropped', async () => {
    const location = await client.begin('up/wrong');
    const answer = await client.ask('PUT', `${location}?digest=${MISSING}`, BYTES);
    expect([answer.status, await codesOf(answer)]).toEqual([400, ['DIGEST_INVALID']]);
    expect((await client.get(location)).status).toBe(404);
    expect((await client.get(`up/wrong/blobs/${MISSING}`)).status).toBe(404);
  });

  test('without a digest stays open', async () => {
    const location = await client.begin('up/none');
    expect((await client.ask('PUT', location, BYTES)).status).toBe(400);
    expect((await client.get(location)).status).toBe(204);
  });

  test('can be cancelled', async () => {
    const location = await client.begin('up/cancel');
    expect((await client.ask('DELETE', location)).status).toBe(204);
    const answer = await client.get(location);
    expect([answer.status, await codesOf(answer)]).toEqual([404, ['BLOB_UPLOAD_UNKNOWN']]);
  });

  test('is not found by a name that is no UUID, or in another repository', async () => {
    const location = await client.begin('up/here');
    for (const path of [location.replace('up/here', 'up/there'), '/v2/up/here/blobs/uploads/..%2f..%2fx']) {
      expect((await client.get(path)).status).toBe(404);
    }
  });

  test('by an algorithm that is not known is refused', async () => {
    expect((await client.ask('POST', 'up/algo/blobs/uploads/?digest-algorithm=md5')).status).toBe(400);
    expect((await client.ask('POST', 'up/algo/blobs/uploads/?digest-algorithm=sha512')).status).toBe(202);
  });

  test('two parts at once: one is taken, the other is told where it stands', async () => {
    const location = await client.begin('up/race');
    const bytes = randomBytes(4_000_000);
    const answers = await Promise.all(
      [1, 2].map(() => client.ask('PATCH', location, bytes, { 'Content-Range': `0-${bytes.length - 1}` })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 416]);
    const query = `?digest=${digestOf(bytes)}`;
    expect((await client.ask('PUT', location + query)).status).toBe(201);
  });
});

describe('a mount', () => {
  test('needs no bytes, from a repository or from wherever it is', async () => {
    await client.pushBlob('mount/from', BYTES);
    const digest = digestOf(BYTES);
    for (const query of [`?mount=${digest}&from=mount/from`, `?mount=${digest}`]) {
      const name = `mount/to${query.length}`;
      const answer = await client.ask('POST', `${name}/blobs/uploads/${query}`);
      expect([answer.status, answer.headers.get('location')]).toEqual([201, `/v2/${name}/blobs/${digest}`]);
      expect((await client.get(`${name}/blobs/${digest}`)).status).toBe(200);
    }
  });

  test('of what is not there begins an upload', async () => {
    for (const from of ['&from=mount/nowhere', '']) {
      const answer = await client.ask('POST', `mount/none/blobs/uploads/?mount=${MISSING}${from}`);
      expect(answer.status).toBe(202);
      expect(answer.headers.get('location')).toMatch(/^\/v2\/mount\/none\/blobs\/uploads\/[0-9a-f-]{36}$/);
    }
  });
});

describe('a blob', () => {
  const digest = digestOf(BYTES);
  beforeAll(() => client.pushBlob('blob/a', BYTES));

  test.each([
    ['bytes=2-4', 206, 'bytes 2-4/10', '234'],
    ['bytes=7-', 206, 'bytes 7-9/10', '789'],
    ['bytes=-3', 206, 'bytes 7-9/10', '789'],
    ['bytes=8-100', 206, 'bytes 8-9/10', '89'],
    ['bytes=10-', 416, 'bytes */10', undefined],
    ['bytes=abc', 200, null, '0123456789'],
  ])('in the range %s is %i', async (range, status, contentRange, body) => {
    const answer = await client.get(`blob/a/blobs/${digest}`, { Range: range });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([status, contentRange]);
    if (body !== undefined) expect(await answer.text()).toBe(body);
  });

  test('in several ranges is a multipart answer', async () => {
    const answer = await client.get(`blob/a/blobs/${digest}`, { Range: 'bytes=0-1,8-9' });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-type')).toMatch(/^multipart\/byteranges; boundary=/);
    expect(await answer.text()).toMatch(/bytes 0-1\/10\r\n\r\n01\r\n.*bytes 8-9\/10\r\n\r\n89\r\n/s);
  });

  test('is described by HEAD, and known by its tag', async () => {
    const head = await client.ask('HEAD', `blob/a/blobs/${digest}`);
    expect([head.status, head.headers.get('content-length'), head.headers.get('accept-ranges')]).toEqual([
      200,
      '10',
      'bytes',
    ]);
    expect((await client.get(`blob/a/blobs/${digest}`, { 'If-None-Match': `"${digest}"` })).status).toBe(304);
  });

  test('that is not there is unknown, also where another repository has it', async () => {
    for (const path of [`blob/a/blobs/${MISSING}`, `blob/b/blobs/${digest}`]) {
      const answer = await client.get(path);
      expect([answer.status, await codesOf(answer)]).toEqual([404, ['BLOB_UNKNOWN']]);
    }
  });

  test('is deleted from its repository alone', async () => {
    await client.pushBlob('blob/c', BYTES);
    expect((await client.ask('DELETE', `blob/c/blobs/${digest}`)).status).toBe(202);
    expect((await client.get(`blob/c/blobs/${digest}`)).status).toBe(404);
    expect((await client.get(`blob/a/blobs/${digest}`)).status).toBe(200);
    expect((await client.ask('DELETE', `blob/c/blobs/${digest}`)).status).toBe(404);
  });
});

describe('a manifest', () => {
  const image = imageOf(['a layer']);
  beforeAll(() => client.push('man/a', 'v1', image));

  test.each(['v1', image.digest])('is found by %s, byte for byte', async (reference) => {
    const answer = await client.get(`man/a/manifests/${reference}`, { Accept: 'application/json' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe(OCI_IMAGE);
    expect(answer.headers.get('docker-content-digest')).toBe(image.digest);
    expect(Buffer.from(await answer.arrayBuffer()).equals(image.manifest)).toBe(true);
    const head = await client.ask('HEAD', `man/a/manifests/${reference}`);
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(image.manifest.length)]);
  });

  test('is known by its tag', async () => {
    const headers = { 'If-None-Match': `"${image.digest}"` };
    expect((await client.get('man/a/manifests/v1', headers)).status).toBe(304);
  });

  test('may be addressed by SHA-512', async () => {
    const digest = digestOf(image.manifest, 'sha512');
    const answer = await client.pushManifest('man/a', digest, image.manifest);
    expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([201, digest]);
    expect((await client.get(`man/a/manifests/${digest}`)).headers.get('docker-content-digest')).toBe(digest);
  });

  test('that lacks blobs is refused, with each of them', async () => {
    const { manifest, blobs } = imageOf(['one', 'two', 'three']);
    await client.pushBlob('man/lacks', blobs[1] ?? '');
    const answer = await client.pushManifest('man/lacks', 'v1', manifest);
    const document: { errors: { code: string; detail: { digest: string } }[] } = JSON.parse(
      await answer.text(),
    );
    expect(answer.status).toBe(400);
    expect(document.errors.map(({ code, detail }) => [code, detail.digest])).toEqual(
      [0, 2, 3].map((index) => ['MANIFEST_BLOB_UNKNOWN', digestOf(blobs[index] ?? '')]),
    );
    expect((await client.get('man/lacks/manifests/v1')).status).toBe(404);
  });

  test('of 4 MiB is kept, of one byte more is not', async () => {
    const of = (bytes: number) => {
      const text = image.manifest.toString();
      return `${text.slice(0, -1)}${' '.repeat(bytes - text.length)}}`;
    };
    expect((await client.pushManifest('man/a', 'large', of(4_194_304))).status).toBe(201);
    expect((await client.pushManifest('man/a', 'larger', of(4_194_305))).status).toBe(413);
  });

  test('sent under a digest that is not its own is refused', async () => {
    const answer = await client.pushManifest('man/a', MISSING, image.manifest);
    expect([answer.status, await codesOf(answer)]).toEqual([400, ['DIGEST_INVALID']]);
  });

  test('takes several tags at once, or none of them', async () => {
    const tags = Array.from({ length: 10 }, (_, index) => `t${index}`);
    const path = (names: string[]) =>
      `man/a/manifests/${image.digest}?${names.map((name) => `tag=${name}`).join('&')}`;
    const type = { 'Content-Type': OCI_IMAGE };
    const answer = await client.ask('PUT', path(tags), image.manifest, type);
    expect([answer.status, answer.headers.get('oci-tag')]).toEqual([201, tags.join(', ')]);
    expect((await client.get('man/a/manifests/t9')).status).toBe(200);
    expect((await client.ask('PUT', path(['good', '-bad']), image.manifest, type)).status).toBe(400);
    expect((await client.get('man/a/manifests/good')).status).toBe(404);
  });

  test('is deleted with its tags; a tag alone leaves it', async () => {
    await client.push('man/gone', 'v1', image);
    await client.pushManifest('man/gone', 'v2', image.manifest);
    expect((await client.ask('DELETE', 'man/gone/manifests/v1')).status).toBe(202);
    expect((await client.get('man/gone/manifests/v1')).status).toBe(404);
    expect((await client.get('man/gone/manifests/v2')).status).toBe(200);
    expect((await client.ask('DELETE', `man/gone/manifests/${image.digest}`)).status).toBe(202);
    for (const reference of ['v2', image.digest]) {
      const answer = await client.get(`man/gone/manifests/${reference}`);
      expect([answer.status, await codesOf(answer)]).toEqual([404, ['MANIFEST_UNKNOWN']]);
    }
    expect((await client.ask('DELETE', `man/gone/manifests/${image.digest}`)).status).toBe(404);
  });
});

describe('lists', () => {
  test('tags come in the order of their bytes, in pages', async () => {
    const image = imageOf(['tags']);
    await client.push('list/tags', 'b', image);
    for (const tag of ['a', 'C', '_', '10', '9']) await client.pushManifest('list/tags', tag, image.manifest);
    const all: string[] = [];
    let path: string | undefined = 'list/tags/tags/list?n=4';
    while (path !== undefined) {
      const answer = await client.get(path);
      const { tags }: { tags: string[] } = JSON.parse(await answer.text());
      all.push(...tags);
      path = /^<(.*)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
    }
    expect(all).toEqual(['10', '9', 'C', '_', 'a', 'b']);
    const none = await client.get('list/tags/tags/list?n=0');
    expect([JSON.parse(await none.text()).tags, none.headers.get('link')]).toEqual([[], null]);
    expect(JSON.parse(await (await client.get('list/tags/tags/list?last=Z')).text()).tags).toEqual([
      '_',
      'a',
      'b',
    ]);
    expect((await client.get('list/tags/tags/list?n=x')).status).toBe(400);
    expect(await codesOf(await client.get('list/nothing/tags/list'))).toEqual(['NAME_UNKNOWN']);
  });

  test('the catalog has what has manifests', async () => {
    await client.push('catalog/deep/er', 'v1', imageOf(['catalog']));
    const { repositories }: { repositories: string[] } = JSON.parse(
      await (await client.get('_catalog')).text(),
    );
    expect(repositories).toContain('catalog/deep/er');
    expect(repositories).toEqual([...repositories].sort());
  });

  test('referrers are told of, by type, whether their subject is here or not', async () => {
    const subject = { mediaType: OCI_IMAGE, digest: MISSING, size: 2 };
    const first = imageOf(['a'], { subject, artifactType: 'application/x.a', annotations: { k: 'v' } });
    const second = imageOf(['b'], { subject });
    for (const image of [first, second]) {
      for (const blob of image.blobs) await client.pushBlob('list/ref', blob);
      const answer = await client.pushManifest('list/ref', image.digest, image.manifest);
      expect([answer.status, answer.headers.get('oci-subject')]).toEqual([201, MISSING]);
    }
    const answer = await client.get(`list/ref/referrers/${MISSING}`);
    expect(answer.headers.get('content-type')).toBe('application/vnd.oci.image.index.v1+json');
    const { manifests } = JSON.parse(await answer.text());
    expect(manifests).toHaveLength(2);
    expect(manifests).toContainEqual({
      mediaType: OCI_IMAGE,
      digest: first.digest,
      size: first.manifest.length,
      artifactType: 'application/x.a',
      annotations: { k: 'v' },
    });
    const filtered = await client.get(`list/ref/referrers/${MISSING}?artifactType=application/x.a`);
    expect(filtered.headers.get('oci-filters-applied')).toBe('artifactType');
    expect(JSON.parse(await filtered.text()).manifests).toHaveLength(1);
    await client.ask('DELETE', `list/ref/manifests/${first.digest}`);
    expect(
      JSON.parse(await (await client.get(`list/ref/referrers/${MISSING}`)).text()).manifests,
    ).toHaveLength(1);
    expect(JSON.parse(await (await client.get(`never/seen/referrers/${MISSING}`)).text()).manifests).toEqual(
      [],
    );
  });
});

test.each([
  ['GET', 'A/b/tags/list', 400, 'NAME_INVALID'],
  ['GET', 'a//b/tags/list', 400, 'NAME_INVALID'],
  ['GET', 'a/_uploads/tags/list', 400, 'NAME_INVALID'],
  ['GET', '..%2fx/tags/list', 400, 'NAME_INVALID'],
  ['POST', 'A/blobs/uploads/', 400, 'NAME_INVALID'],
  ['GET', `a/manifests/${'x'.repeat(129)}`, 400, 'TAG_INVALID'],
  ['GET', 'a/manifests/sha256:baddigeststring', 400, 'DIGEST_INVALID'],
  ['GET', 'a/blobs/sha256:baddigeststring', 400, 'DIGEST_INVALID'],
  ['GET', 'a/referrers/sha256:baddigeststring', 400, 'DIGEST_INVALID'],
  ['GET', 'nothing/here', 404, 'NAME_UNKNOWN'],
  ['POST', 'a/manifests/v1', 405, 'UNSUPPORTED'],
  ['PUT', '', 405, 'UNSUPPORTED'],
])('%s %s is %i %s', async (method, path, status, code) => {
  const answer = await client.ask(method, `/v2/${path}`);
  expect([answer.status, await codesOf(answer)]).toEqual([status, [code]]);
  expect(answer.headers.get('content-type')).toBe('application/json');
});
