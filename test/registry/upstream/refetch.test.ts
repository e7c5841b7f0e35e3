/** What was lost comes again from where it came. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  openRegistry,
  PullThrough,
  parseDigest,
  parseRepositoryName,
  type Registry,
  scrubRegistry,
} from '../../../server/index.js';
import { digestOf, imageOf } from '../../fixtures/registry-client.js';
import { startUpstream, type UpstreamRegistry } from '../../fixtures/upstream-registry.js';

const image = imageOf(['a layer']);
const repository = parseRepositoryName('quay.io/a');
const layer = parseDigest(digestOf('a layer'));
const manifest = parseDigest(image.digest);
const config = parseDigest(digestOf(image.blobs[0] ?? ''));

let dir: string;
let upstream: UpstreamRegistry;
let registry: Registry;
let pullThrough: PullThrough;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bootdepot-refetch-'));
  upstream = await startUpstream();
  upstream.put('a', 'v1', image);
  registry = await openRegistry({ dir, freeSpace: 0, onDamage: () => undefined });
  pullThrough = open(false);
  await pullThrough.manifest(repository, { digest: manifest });
  expect(await pullThrough.refetch(repository, layer)).toBe(true);
});
afterEach(async () => {
  await pullThrough.close();
  await upstream.stop();
  await rm(dir, { recursive: true });
});

function open(offline: boolean): PullThrough {
  const upstreams = { 'quay.io': { url: upstream.url, mirrors: [] } };
  return new PullThrough({
    registry,
    config: { upstreams, offline, staleTags: 0 },
    env: {},
    timing: { backoff: 5 },
  });
}

async function lose(): Promise<void> {
  for (const digest of [layer, manifest]) {
    const found = await registry.content.find(digest);
    if (found !== undefined) await registry.content.quarantine(found);
  }
}

test('blobs and manifests that were put aside are in their places again', async () => {
  await lose();
  expect(await registry.blobs.find(repository, layer)).toBeUndefined();
  expect(await registry.manifests.find(repository, { digest: manifest })).toBeUndefined();
  for (const digest of [layer, manifest]) expect(await pullThrough.refetch(repository, digest)).toBe(true);
  expect(await registry.content.read(layer, 100)).toEqual(Buffer.from('a layer'));
  expect((await registry.manifests.find(repository, { digest: manifest }))?.bytes).toEqual(image.manifest);
});

test('a scrub brings back what was lost, and misses nothing that was never fetched', async () => {
  await lose();
  const scrub = () => scrubRegistry(registry, { repair: true, speed: 0, ...pullThrough.scrubbing });
  const findingsOf = async () =>
    (await scrub()).findings.map(({ kind, name, repaired }) => [kind, name, repaired]);
  expect(await findingsOf()).toContainEqual(['missing', manifest, true]);
  // What a manifest needs is known when it is there again.
  expect(await findingsOf()).toEqual([['missing', layer, true]]);
  expect(await findingsOf()).toEqual([]);
  expect(await registry.content.read(layer, 100)).toEqual(Buffer.from('a layer'));
  expect(await registry.blobs.find(repository, config)).toBeUndefined();
});

test('not where there is no upstream, or we are offline, or it has not what was lost, or is gone', async () => {
  await lose();
  expect(await pullThrough.refetch(parseRepositoryName('a'), layer)).toBe(false);
  expect(await open(true).refetch(repository, layer)).toBe(false);
  expect(await pullThrough.refetch(repository, parseDigest(digestOf('never there')))).toBe(false);
  await upstream.stop();
  for (const digest of [layer, manifest]) expect(await pullThrough.refetch(repository, digest)).toBe(false);
});
