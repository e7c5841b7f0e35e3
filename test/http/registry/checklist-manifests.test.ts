/** What manifests are taken, and which one is given, by the numbers of the checklist. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { errorCodes, plainRequest } from '../../fixtures/plain-request.js';
import { digestOf, imageOf, OCI_IMAGE, RegistryClient } from '../../fixtures/registry-client.js';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

let depot: LiveDepot;
let client: RegistryClient;
beforeAll(async () => {
  depot = await startLiveDepot({ settings: { 'registry.delete': true } });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterAll(() => depot.remove());

const image = imageOf(['a layer']);
const document: Record<string, unknown> = JSON.parse(image.manifest.toString());
const { mediaType: _, ...untyped } = document;
const put = (path: string, body: string | Buffer | Buffer[], type?: string) =>
  plainRequest(depot.port, 'PUT', `/v2/${path}`, {
    body,
    ...(type !== undefined && { headers: { 'Content-Type': type } }),
  });
const messageOf = ({ body }: { body: Buffer }) => JSON.parse(body.toString()).errors[0].message;

describe('checklist 11: tags in the query of a manifest', () => {
  test.each(['sha256', 'sha512'] as const)('are all set and named, by %s', async (algorithm) => {
    await client.push('c11', 'first', image);
    const digest = digestOf(image.manifest, algorithm);
    const tags = Array.from({ length: 10 }, (_, index) => `${algorithm}-${index}`);
    const answer = await put(
      `c11/manifests/${digest}?${tags.map((tag) => `tag=${tag}`).join('&')}`,
      image.manifest,
    );
    expect([answer.status, answer.headers['docker-content-digest']]).toEqual([201, digest]);
    expect(answer.headers['oci-tag']).toBe(tags.join(', '));
    for (const tag of tags) {
      const got = await client.get(`c11/manifests/${tag}`);
      expect(got.headers.get('docker-content-digest')).toBe(digest);
    }
  });

  test('are none of them set if one is no tag, and the manifest is not kept', async () => {
    const other = imageOf(['a layer'], { annotations: { other: 'yes' } });
    const answer = await put(`c11/manifests/${other.digest}?tag=good&tag=-bad`, other.manifest, OCI_IMAGE);
    expect([answer.status, errorCodes(answer)]).toEqual([400, ['TAG_INVALID']]);
    for (const reference of ['good', other.digest]) {
      expect((await client.ask('HEAD', `c11/manifests/${reference}`)).status).toBe(404);
    }
  });

  test('may be so many that the address is too long', async () => {
    const query = Array.from({ length: 100 }, (_, index) => `tag=${'x'.repeat(120)}${index}`).join('&');
    expect((await put(`c11/manifests/${image.digest}?${query}`, image.manifest)).status).toBe(414);
  });
});

describe('checklist 12: a manifest', () => {
  const ofSize = (bytes: number) => {
    const text = image.manifest.toString();
    return Buffer.from(`${text.slice(0, -1)}${' '.repeat(bytes - text.length)}}`);
  };
  beforeAll(() => client.push('c12', 'v1', image));

  test.each([
    ['with a length', (bytes: Buffer) => bytes],
    ['in chunks', (bytes: Buffer) => [bytes.subarray(0, 1000), bytes.subarray(1000)]],
  ])('of 4 MiB is taken, and of a byte more is not, %s', async (_, sent) => {
    const largest = ofSize(4_194_304);
    const answer = await put('c12/manifests/largest', sent(largest), OCI_IMAGE);
    expect([answer.status, answer.headers['docker-content-digest']]).toEqual([201, digestOf(largest)]);
    const got = await plainRequest(depot.port, 'GET', answer.headers.location ?? '');
    expect(got.body.equals(largest)).toBe(true);
    const refused = await put('c12/manifests/larger', sent(ofSize(4_194_305)), OCI_IMAGE);
    expect([refused.status, errorCodes(refused)]).toEqual([413, ['SIZE_INVALID']]);
  });

  test('that lacks parts is refused with an error for each of them', async () => {
    const other = imageOf(['one', 'two', 'three']);
    const answer = await put('c12/manifests/lacks', other.manifest, OCI_IMAGE);
    expect(answer.status).toBe(400);
    expect(errorCodes(answer)).toEqual([
      'MANIFEST_BLOB_UNKNOWN',
      'MANIFEST_BLOB_UNKNOWN',
      'MANIFEST_BLOB_UNKNOWN',
    ]);
    const missing = [image, other].map(({ digest }) => ({ mediaType: OCI_IMAGE, digest, size: 1 }));
    const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: missing });
    expect(JSON.parse((await put('c12/manifests/index', index)).body.toString()).errors).toMatchObject([
      { code: 'MANIFEST_BLOB_UNKNOWN', detail: { digest: other.digest } },
    ]);
  });

  test.each([
    ['nothing', '', OCI_IMAGE, 'JSON'],
    ['no JSON', '{', OCI_IMAGE, 'JSON'],
    ['a list', '[]', OCI_IMAGE, 'object'],
    ['another type', JSON.stringify({ ...untyped, mediaType: 'text/x' }), 'text/x', 'text/x is not kept'],
    ['two types', image.manifest, OCI_INDEX, 'mediaType is'],
    ['no schemaVersion', '{"layers":[]}', OCI_IMAGE, 'schemaVersion'],
    ['a type of Docker in the field alone', JSON.stringify(untyped), DOCKER_IMAGE, 'mediaType: expected'],
    [
      'an index that is an image',
      JSON.stringify({ ...untyped, mediaType: OCI_INDEX }),
      OCI_INDEX,
      'manifests',
    ],
    [
      'schema 1',
      '{"schemaVersion":1,"name":"a","tag":"v1","fsLayers":[],"history":[],"signatures":[]}',
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
      'schema 1 are not kept: push the image with a client of 2016 or newer',
    ],
  ])('that is %s is refused in words', async (_, body, type, words) => {
    const answer = await put('c12/manifests/bad', body, type);
    expect([answer.status, errorCodes(answer)]).toEqual([400, ['MANIFEST_INVALID']]);
    expect(messageOf(answer)).toContain(words);
    expect((await client.ask('HEAD', 'c12/manifests/bad')).status).toBe(404);
  });

  test.each([
    ['application/octet-stream+none', undefined, JSON.stringify(untyped), OCI_IMAGE],
    ['an image in the field alone', OCI_IMAGE, JSON.stringify(untyped), OCI_IMAGE],
    ['an image in field and body', `${OCI_IMAGE}; charset=utf-8`, image.manifest, OCI_IMAGE],
    [
      'an image of Docker',
      DOCKER_IMAGE,
      JSON.stringify({ ...untyped, mediaType: DOCKER_IMAGE }),
      DOCKER_IMAGE,
    ],
    ['an index in the field alone', OCI_INDEX, '{"schemaVersion":2,"manifests":[]}', OCI_INDEX],
    ['an index by its shape', undefined, '{"schemaVersion":2,"manifests":[] }', OCI_INDEX],
    [
      'a list of Docker',
      undefined,
      JSON.stringify({ schemaVersion: 2, mediaType: DOCKER_LIST, manifests: [] }),
      DOCKER_LIST,
    ],
  ])('is served under its type: %s', async (_, type, body, served) => {
    expect((await put('c12/manifests/typed', body, type)).status).toBe(201);
    const answer = await client.get('c12/manifests/typed');
    expect(answer.headers.get('content-type')).toBe(served);
    expect(await answer.text()).toBe(body.toString());
  });
});

describe('checklist 14: the index that a tag is', () => {
  const children = ['arm64', 'amd64'].map((architecture) => ({
    architecture,
    of: imageOf([`layer of ${architecture}`]),
  }));
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: children.map(({ architecture, of }) => ({
      mediaType: OCI_IMAGE,
      digest: of.digest,
      size: of.manifest.length,
      platform: { os: 'linux', architecture },
    })),
  });
  const amd64 = children[1]?.of;
  beforeAll(async () => {
    for (const { architecture, of } of children) await client.push('c14', architecture, of);
    expect((await put('c14/manifests/multi', index)).status).toBe(201);
  });
  const get = (reference: string, accept?: string | string[]) =>
    plainRequest(depot.port, 'GET', `/v2/c14/manifests/${reference}`, {
      ...(accept !== undefined && { headers: { Accept: accept } }),
    });

  test.each([
    ['docker2aci', ['application/vnd.docker.distribution.manifest.v1+json', DOCKER_IMAGE, OCI_IMAGE]],
    ['several in one line', `${DOCKER_IMAGE}, ${OCI_IMAGE};q=0.5`],
  ])('is the image for amd64 to a client that knows images alone (%s)', async (_, accept) => {
    const answer = await get('multi', accept);
    expect(answer.body.equals(amd64?.manifest ?? Buffer.alloc(0))).toBe(true);
    expect(answer.headers).toMatchObject({
      'content-type': OCI_IMAGE,
      'docker-content-digest': amd64?.digest,
      etag: `"${amd64?.digest}"`,
    });
  });

  test.each([
    ['who says nothing', undefined],
    ['who takes anything', `${DOCKER_IMAGE}, */*`],
    ['who knows indexes, too', [DOCKER_IMAGE, OCI_INDEX]],
    ['who knows lists, too', `${DOCKER_IMAGE}, ${DOCKER_LIST}`],
    ['who names nothing known', 'application/json'],
  ])('is itself to one %s', async (_, accept) => {
    const answer = await get('multi', accept);
    expect(answer.body.toString()).toBe(index);
    expect(answer.headers['docker-content-digest']).toBe(digestOf(index));
  });

  test('is itself by its digest, and where the image is not here', async () => {
    expect((await get(digestOf(index), OCI_IMAGE)).body.toString()).toBe(index);
    await client.ask('DELETE', `c14/manifests/${amd64?.digest}`);
    expect((await get('multi', OCI_IMAGE)).body.toString()).toBe(index);
  });
});

test('with registry.allowSparse what a manifest refers to need not be here', async () => {
  const sparse = await startLiveDepot({ settings: { 'registry.allowSparse': true } });
  const mirror = new RegistryClient(`http://127.0.0.1:${sparse.port}`);
  expect((await mirror.pushManifest('a', 'v1', image.manifest)).status).toBe(201);
  const child = { mediaType: OCI_IMAGE, digest: digestOf('absent'), size: 6 };
  const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [child] });
  expect((await mirror.pushManifest('a', 'multi', index, OCI_INDEX)).status).toBe(201);
  expect((await mirror.get(`a/manifests/${child.digest}`)).status).toBe(404);
  await sparse.remove();
});

test('a blob stays while a manifest of its repository needs it', async () => {
  const needed = imageOf(['needed']);
  await client.push('needs', 'v1', needed);
  await client.pushBlob('needs', 'free');
  for (const blob of needed.blobs) {
    const path = `/v2/needs/blobs/${digestOf(blob)}`;
    const answer = await plainRequest(depot.port, 'DELETE', path);
    expect([answer.status, errorCodes(answer), answer.headers.allow]).toEqual([
      405,
      ['UNSUPPORTED'],
      'GET, HEAD',
    ]);
    expect((await client.ask('HEAD', path)).status).toBe(200);
  }
  expect((await client.ask('DELETE', `needs/blobs/${digestOf('free')}`)).status).toBe(202);
  expect((await client.ask('DELETE', `needs/manifests/${needed.digest}`)).status).toBe(202);
  for (const blob of needed.blobs) {
    const path = `needs/blobs/${digestOf(blob)}`;
    expect((await client.ask('DELETE', path)).status).toBe(202);
    expect((await client.ask('HEAD', path)).status).toBe(404);
  }
});
