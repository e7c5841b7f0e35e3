/** What the log says of a request to the registry. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { digestOf, imageOf, RegistryClient } from '../../fixtures/registry-client.js';
import { until } from '../../fixtures/until.js';
import { exchange } from '../line-client.js';

let depot: LiveDepot;
let client: RegistryClient;
const IMAGE = imageOf(['a layer']);
beforeAll(async () => {
  depot = await startLiveDepot();
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
  await client.push('team/app', 'v1', IMAGE);
});
afterAll(() => depot.remove());

const NOTHING = { repository: undefined, reference: undefined, digest: undefined, error: undefined };

/** What the line of the request says of the registry. */
async function said(agent: string) {
  const line = () => depot.log().find((entry) => entry.agent === agent);
  await until(() => line() !== undefined);
  expect(line()).toBeDefined();
  const { repository, reference, digest, error } = line() ?? {};
  return { repository, reference, digest, error };
}

const LAYER = digestOf('a layer');
const MISSING = `sha256:${'0'.repeat(64)}`;

test.each([
  ['team/app/manifests/v1', { repository: 'team/app', reference: 'v1', digest: IMAGE.digest }],
  ['team/app/manifests/v2', { repository: 'team/app', reference: 'v2', error: 'MANIFEST_UNKNOWN' }],
  [`team/app/manifests/${IMAGE.digest}`, { repository: 'team/app', digest: IMAGE.digest }],
  [`team/app/blobs/${LAYER}`, { repository: 'team/app', digest: LAYER }],
  [`team%2Fapp/blobs/${encodeURIComponent(LAYER)}`, { repository: 'team/app', digest: LAYER }],
  [`team/app/blobs/${MISSING}`, { repository: 'team/app', digest: MISSING, error: 'BLOB_UNKNOWN' }],
  ['team/app/tags/list?n=1', { repository: 'team/app' }],
  [`team/app/referrers/${MISSING}`, { repository: 'team/app', digest: MISSING }],
  ['_catalog', {}],
  ['', {}],
  ['team/app/blobs/sha256:short', { repository: 'team/app', error: 'DIGEST_INVALID' }],
  ['Team/manifests/v1', { reference: 'v1', error: 'NAME_INVALID' }],
  ['a%22%1b%5b31m/manifests/%22%0a', { error: 'NAME_INVALID' }],
  ['%zz/manifests/v1', { error: 'NAME_INVALID' }],
])('a request for %s is logged with what it was about', async (path, expected) => {
  const agent = `test:${path}:`;
  await client.get(path, { 'User-Agent': agent });
  expect(await said(agent)).toEqual({ ...NOTHING, ...expected });
});

test('a push is logged with the digest that was made of it', async () => {
  const headers = { 'User-Agent': 'pusher' };
  await client.ask('POST', `team/app/blobs/uploads/?digest=${digestOf('more')}`, 'more', headers);
  expect(await said('pusher')).toEqual({ ...NOTHING, repository: 'team/app', digest: digestOf('more') });
  const type = JSON.parse(IMAGE.manifest.toString()).mediaType;
  const second = { 'User-Agent': 'tagger', 'Content-Type': type };
  await client.ask('PUT', 'team/app/manifests/v3', IMAGE.manifest, second);
  expect(await said('tagger')).toEqual({
    ...NOTHING,
    repository: 'team/app',
    reference: 'v3',
    digest: IMAGE.digest,
  });
});

test('an upload is logged under its repository', async () => {
  const location = await client.begin('team/app');
  await client.ask('PATCH', location, 'part', { 'User-Agent': 'patcher' });
  expect(await said('patcher')).toEqual({ ...NOTHING, repository: 'team/app' });
});

test('a line stays one line of JSON, whatever a client sends', async () => {
  const before = depot.log().length;
  await exchange(
    depot.port,
    'GET /v2/a"b\\/manifests/"x HTTP/1.1\r\nHost: a\r\nUser-Agent: "odd"\\\r\nConnection: close\r\n\r\n',
  );
  await until(() => depot.log().length > before);
  expect(depot.log().at(-1)).toMatchObject({ path: '/v2/a"b\\/manifests/"x', agent: '"odd"\\', status: 400 });
});

test('what is not the registry has none of this', async () => {
  await fetch(`http://127.0.0.1:${depot.port}/assets/a/manifests/v1`, { headers: { 'User-Agent': 'other' } });
  expect(await said('other')).toEqual(NOTHING);
});
