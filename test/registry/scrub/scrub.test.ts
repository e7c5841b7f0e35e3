/** What a scrub sees, and what it mends. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Digest, digestOf } from '../../../server/oci/digest.js';
import { parseReference, parseRepositoryName, parseTag } from '../../../server/oci/reference.js';
import { openRegistry, type Registry } from '../../../server/registry/open-registry.js';
import { type ScrubOptions, scrub } from '../../../server/registry/scrub/scrub.js';
import { imageOf, OCI_IMAGE } from '../../fixtures/registry-client.js';

let folder: string;
let registry: Registry;
let manifest: Digest;
let layer: Digest;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-scrub-'));
  registry = await openRegistry({ dir: folder, freeSpace: 0, onDamage: () => undefined });
  ({ manifest, layer } = await push());
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const NAME = parseRepositoryName('team/app');
const TAG = parseTag('v1');
const LAYER = Buffer.from('the bytes of a layer');

async function* bodyOf(bytes: Buffer) {
  yield bytes;
}

const sha256 = (bytes: Buffer): Digest =>
  digestOf('sha256', createHash('sha256').update(bytes).digest('hex'));

async function pushBlob(bytes: Buffer): Promise<void> {
  const { id } = await registry.uploads.begin(NAME);
  await registry.uploads.finish(NAME, id, sha256(bytes), { body: bodyOf(bytes) });
}

async function push() {
  const image = imageOf([LAYER]);
  for (const blob of image.blobs) await pushBlob(blob);
  const sent = { bytes: image.manifest, contentType: OCI_IMAGE, tags: [] };
  await registry.manifests.put(NAME, parseReference('v1'), sent);
  return { manifest: sha256(image.manifest), layer: sha256(LAYER) };
}

async function scrubbed(options: Partial<ScrubOptions> = {}) {
  const report = await scrub(registry, { repair: false, speed: 0, maySparse: () => false, ...options });
  return report.findings.map(({ kind, name, repaired }) => [kind, name, repaired]);
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[3] = (bytes[3] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

test('a folder that is well has no findings, and is read whole', async () => {
  const report = await scrub(registry, { repair: false, speed: 0, maySparse: () => false });
  const { contents, bytes } = await registry.content.total();
  expect(report).toEqual({ contents, bytes, repositories: 1, findings: [], resumed: false });
  expect([contents, bytes > LAYER.length]).toEqual([3, true]);
});

describe('a flipped byte', () => {
  test('is only told of without repair', async () => {
    for (const digest of [layer, manifest]) {
      const path = registry.layout.data(digest);
      const good = await readFile(path);
      await flipByte(path);
      expect(await scrubbed()).toEqual([['damaged', digest, false]]);
      expect(existsSync(path)).toBe(true);
      await writeFile(path, good);
    }
    expect(await scrubbed()).toEqual([]);
  });

  test('is put aside by a repair, and the next push makes it whole', async () => {
    await flipByte(registry.layout.data(layer));
    expect(await scrubbed({ repair: true })).toEqual([
      ['damaged', layer, false],
      ['missing', layer, false],
    ]);
    expect(existsSync(registry.layout.data(layer))).toBe(false);
    expect(await readdir(registry.layout.own('quarantine'))).toHaveLength(1);
    await pushBlob(LAYER);
    expect(await scrubbed()).toEqual([]);
  });

  test('is healed where there is somewhere to fetch it from', async () => {
    await flipByte(registry.layout.data(layer));
    const asked: string[] = [];
    const refetch: ScrubOptions['refetch'] = async (name, digest) => {
      asked.push(`${name}@${digest}`);
      await pushBlob(LAYER);
      return true;
    };
    expect(await scrubbed({ repair: true, refetch })).toEqual([
      ['damaged', layer, true],
      ['missing', layer, true],
    ]);
    expect(asked).toEqual([`${NAME}@${layer}`]);
    expect(await scrubbed()).toEqual([]);
  });

  test.each(['layerLink', 'revisionLink'] as const)('in a %s is mended', async (link) => {
    const digest = link === 'layerLink' ? layer : manifest;
    const path = registry.layout[link](NAME, digest);
    await flipByte(path);
    const kinds = (await scrubbed()).map(([kind]) => kind);
    expect(kinds).toContain('broken-link');
    await scrubbed({ repair: true });
    expect(await readFile(path, 'utf8')).toBe(digest);
    expect(await scrubbed()).toEqual([]);
  });

  test('in the link of a tag is mended, if the tag never had another manifest', async () => {
    const path = registry.layout.tagLink(NAME, TAG);
    await flipByte(path);
    expect(await scrubbed()).toEqual([['broken-tag', TAG, false]]);
    expect(await scrubbed({ repair: true })).toEqual([['broken-tag', TAG, true]]);
    expect(await readFile(path, 'utf8')).toBe(manifest);
  });
});

test('an empty link, as a crash of the reference leaves it, is mended', async () => {
  const path = registry.layout.layerLink(NAME, layer);
  await truncate(path, 0);
  expect(await scrubbed({ repair: true })).toEqual([['broken-link', layer, true]]);
  expect(await readFile(path, 'utf8')).toBe(layer);
});

test('a lost link to content that is here is made again', async () => {
  await rm(dirname(registry.layout.layerLink(NAME, layer)), { recursive: true });
  expect(await scrubbed({ repair: true })).toEqual([['unlinked', layer, true]]);
  expect(await registry.blobs.find(NAME, layer)).toBeDefined();
});

test('lost content is told of', async () => {
  await rm(registry.layout.data(layer));
  expect(await scrubbed({ repair: true })).toEqual([['missing', layer, false]]);
});

test('a repository without its folder of layers gets it back: without it the reference would throw it away', async () => {
  const index = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] }),
  );
  const other = parseRepositoryName('only/index');
  await registry.manifests.put(other, parseReference('v1'), {
    bytes: index,
    contentType: undefined,
    tags: [],
  });
  await rm(registry.layout.layers(other), { recursive: true });
  expect(await scrubbed({ repair: true })).toEqual([['broken-folder', '_layers', true]]);
  expect(existsSync(registry.layout.layers(other))).toBe(true);
});

test('a manifest that nobody can pull any more is told of', async () => {
  const old = Buffer.from(JSON.stringify({ schemaVersion: 1, fsLayers: [] }));
  await pushBlob(old);
  const link = registry.layout.revisionLink(NAME, sha256(old));
  await mkdir(dirname(link), { recursive: true });
  await writeFile(link, sha256(old));
  expect(await scrubbed({ repair: true })).toEqual([['unreadable', sha256(old), false]]);
});

test('a scrub that is broken off is gone on with', async () => {
  const parts = await registry.content.parts();
  const stop = new AbortController();
  let read = 0;
  const first = scrub(registry, {
    ...{ repair: false, speed: 0, maySparse: () => false, signal: stop.signal },
    onBytes() {
      read += 1;
      if (read === parts.length) stop.abort();
    },
  });
  await expect(first).rejects.toMatchObject({ code: 'INTERRUPTED' });
  const rest = await scrub(registry, { repair: false, speed: 0, maySparse: () => false });
  expect([rest.resumed, rest.contents]).toEqual([true, 1]);
  const whole = await scrub(registry, { repair: false, speed: 0, maySparse: () => false });
  expect([whole.resumed, whole.contents]).toEqual([false, 3]);
});
