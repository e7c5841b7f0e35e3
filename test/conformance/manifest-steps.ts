/** What is asked of a data set, from its first blob to its last deletion. */
import { expect } from '@jest/globals';
import { PUSHES } from './blob-steps.js';
import { type DataSet, OCI_INDEX, type TestManifest } from './data-sets.js';
import { shuffled } from './random-order.js';
import type { RegistryUnderTest } from './registry-under-test.js';

/** Where and how a data set is pushed. */
export interface Run {
  readonly registry: RegistryUnderTest;
  readonly name: string;
  readonly random: () => number;
}

const pathOf = ({ name }: Run, reference: string) => `/v2/${name}/manifests/${reference}`;

/** Pushes all of a set, each blob in a way that is drawn. */
export async function pushSet(run: Run, set: DataSet): Promise<void> {
  for (const blob of set.blobs) {
    const [push] = shuffled(Object.values(PUSHES), run.random);
    await push?.(run.registry, run.name, blob);
  }
  for (const manifest of set.manifests) await pushManifest(run, manifest);
}

async function pushManifest(run: Run, manifest: TestManifest): Promise<void> {
  const { registry } = run;
  const { bytes, digest, tags } = manifest;
  const headers = { 'Content-Type': manifest.mediaType };
  // A tag alone does not say by which algorithm.
  const byQuery = manifest.byQuery || digest.startsWith('sha512');
  const query = byQuery && tags.length > 0 ? `?${tags.map((tag) => `tag=${tag}`).join('&')}` : '';
  const body = run.random() < 0.5 ? bytes : [bytes];
  const answer = await registry.expect(
    'manifest: PUT by digest',
    ['PUT', pathOf(run, digest) + query, { headers, body }],
    201,
  );
  expect(answer.headers['docker-content-digest']).toBe(digest);
  expect(answer.headers['oci-subject']).toBe(manifest.subject);
  if (query !== '') {
    await registry.table.count('manifest: PUT with ?tag=', async () => {
      expect(answer.headers['oci-tag']).toBe(tags.join(', '));
    });
  }
  await registry.expectCreated(answer, manifest);
  for (const tag of byQuery ? [] : tags) {
    const tagged = await registry.expect(
      'manifest: PUT by tag',
      ['PUT', pathOf(run, tag), { headers, body }],
      201,
    );
    expect(tagged.headers['oci-subject']).toBe(manifest.subject);
    await registry.expectCreated(tagged, manifest);
  }
}

/** A set that refers to what is nowhere is refused: one error for each thing. */
export async function refuseSparse(run: Run, set: DataSet): Promise<void> {
  for (const blob of set.blobs) await PUSHES['one POST']?.(run.registry, run.name, blob);
  for (const manifest of set.manifests.slice(0, -1)) await pushManifest(run, manifest);
  const last = set.manifests.at(-1);
  if (last === undefined) return;
  const put = [
    'PUT',
    pathOf(run, last.digest),
    { headers: { 'Content-Type': last.mediaType }, body: last.bytes },
  ] as const;
  await run.registry.expect('manifest: PUT of what lacks parts', put, 400, 'MANIFEST_BLOB_UNKNOWN');
  await run.registry.expect('manifest: HEAD', ['HEAD', pathOf(run, last.digest)], 404);
}

/** Everything that was pushed is found, by all its names, as it was sent. */
export async function pullSet(run: Run, set: DataSet): Promise<void> {
  const { registry, name } = run;
  const all = set.manifests.flatMap(({ tags }) => tags);
  const list = await registry.expect('tags: GET', ['GET', `/v2/${name}/tags/list`], 200);
  const { tags }: { tags: string[] } = JSON.parse(list.body.toString());
  expect(tags).toEqual([...tags].sort());
  expect(tags).toEqual(expect.arrayContaining(all));
  for (const manifest of shuffled(set.manifests, run.random)) await pullManifest(run, manifest);
}

async function pullManifest(run: Run, manifest: TestManifest): Promise<void> {
  const { registry, name } = run;
  for (const reference of [manifest.digest, ...manifest.tags]) {
    const by = reference === manifest.digest ? 'digest' : 'tag';
    const path = pathOf(run, reference);
    const told = {
      'content-type': manifest.mediaType,
      'content-length': String(manifest.bytes.length),
      'docker-content-digest': manifest.digest,
      etag: `"${manifest.digest}"`,
    };
    const head = await registry.expect(`manifest: HEAD by ${by}`, ['HEAD', path], 200);
    expect(head.headers).toMatchObject(told);
    const get = await registry.expect(`manifest: GET by ${by}`, ['GET', path], 200);
    expect(get.headers).toMatchObject(told);
    expect(get.body.equals(manifest.bytes)).toBe(true);
  }
  if (manifest.subject !== undefined) {
    expect(await referrersOf(run, manifest.subject)).toContainEqual(describe(manifest));
    const filter = `?artifactType=${encodeURIComponent(manifest.artifactType ?? 'none')}`;
    const path = `/v2/${name}/referrers/${manifest.subject}${filter}`;
    const filtered = await registry.expect('referrers: GET with filter', ['GET', path], 200);
    expect(filtered.headers['oci-filters-applied']).toBe('artifactType');
    const { manifests }: { manifests: object[] } = JSON.parse(filtered.body.toString());
    const types = manifests.map(
      (entry) => Object.entries(entry).find(([key]) => key === 'artifactType')?.[1],
    );
    expect(types).toEqual(manifests.map(() => manifest.artifactType));
    expect(manifests.length > 0).toBe(manifest.artifactType !== undefined);
  }
}

function describe({ mediaType, digest, bytes, artifactType, annotations }: TestManifest): object {
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}

async function referrersOf({ registry, name }: Run, subject: string): Promise<object[]> {
  const answer = await registry.expect('referrers: GET', ['GET', `/v2/${name}/referrers/${subject}`], 200);
  expect(answer.headers['content-type']).toBe(OCI_INDEX);
  const { manifests, ...rest } = JSON.parse(answer.body.toString());
  expect(rest).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX });
  return manifests;
}

/** Tags, then manifests, then blobs; each is gone at once, and is no referrer any more. */
export async function deleteSet(run: Run, set: DataSet): Promise<void> {
  const { registry, name } = run;
  const needed = set.sparse ? [] : set.blobs.slice(0, 1);
  for (const { digest } of needed) {
    const path = `/v2/${name}/blobs/${digest}`;
    await registry.expect('blob: DELETE of what is needed', ['DELETE', path], 405, 'UNSUPPORTED');
  }
  for (const manifest of [...set.manifests].reverse()) {
    for (const tag of manifest.tags.slice(1)) await registry.expectDeleted('tag: DELETE', pathOf(run, tag));
    await registry.expectDeleted('manifest: DELETE', pathOf(run, manifest.digest));
    for (const tag of manifest.tags) {
      await registry.expect(
        'manifest: GET by tag, deleted',
        ['GET', pathOf(run, tag)],
        404,
        'MANIFEST_UNKNOWN',
      );
    }
    if (manifest.subject === undefined) continue;
    const left = await referrersOf(run, manifest.subject);
    expect(left).not.toContainEqual(expect.objectContaining({ digest: manifest.digest }));
  }
  const blobs = new Set(set.blobs.map(({ digest }) => digest));
  for (const digest of blobs) await registry.expectDeleted('blob: DELETE', `/v2/${name}/blobs/${digest}`);
}
