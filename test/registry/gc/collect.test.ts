/** What garbage collection takes, and what it leaves. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type Digest, digestOf } from '../../../server/oci/digest.js';
import { parseReference, parseRepositoryName } from '../../../server/oci/reference.js';
import { collectGarbage, type GcItem, type GcOptions } from '../../../server/registry/gc/collect.js';
import { openRegistry, type Registry } from '../../../server/registry/open-registry.js';
import { imageOf, OCI_IMAGE } from '../../fixtures/registry-client.js';

let folder: string;
let registry: Registry;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-gc-'));
  registry = await openRegistry({ dir: folder, freeSpace: 0, onDamage: () => undefined });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const NAME = parseRepositoryName('team/app');
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

async function* bodyOf(bytes: Buffer) {
  yield bytes;
}

const sha256 = (bytes: Buffer): Digest =>
  digestOf('sha256', createHash('sha256').update(bytes).digest('hex'));

async function pushBlob(bytes: Buffer, name = NAME): Promise<Digest> {
  const digest = sha256(bytes);
  const { id } = await registry.uploads.begin(name);
  await registry.uploads.finish(name, id, digest, { body: bodyOf(bytes) });
  return digest;
}

function putManifest(reference: string, bytes: Buffer, contentType: string) {
  return registry.manifests.put(NAME, parseReference(reference), { bytes, contentType, tags: [] });
}

/** Pushes an image of one random layer. */
async function push(reference: string | undefined, more: object = {}) {
  const image = imageOf([randomBytes(1000)], more);
  const blobs: Digest[] = [];
  for (const blob of image.blobs) blobs.push(await pushBlob(blob));
  await putManifest(reference ?? image.digest, image.manifest, OCI_IMAGE);
  return { digest: sha256(image.manifest), blobs, size: image.manifest.length };
}

/** Collects with a grace that what was done before has outlived. */
async function collect(options: Partial<GcOptions> = {}) {
  const items: GcItem[] = [];
  await sleep(60);
  const report = await collectGarbage(registry, {
    ...{ graceMs: 50, uploadsMs: 50, untagged: 'keep', dryRun: false },
    onItem: (item) => void items.push(item),
    ...options,
  });
  return { report, names: items.map(({ kind, name }) => `${kind} ${name}`).sort() };
}

const exists = (digest: Digest) => existsSync(registry.layout.data(digest));

test('an image that has a tag loses nothing', async () => {
  const { digest, blobs } = await push('v1');
  const { names, report } = await collect({ untagged: 'remove' });
  expect(names).toEqual([]);
  expect(report.bytes).toBe(0);
  expect([digest, ...blobs].every(exists)).toBe(true);
});

test('a blob that no manifest needs goes with its link, an upload that nobody goes on with goes too', async () => {
  const { digest, blobs } = await push('v1');
  const lonely = await pushBlob(Buffer.from('nobody needs this'));
  const { id } = await registry.uploads.begin(NAME);
  await registry.uploads.append(NAME, id, { body: bodyOf(Buffer.from('half')) });
  const { names, report } = await collect();
  expect(names).toEqual([`content ${lonely}`, `link ${lonely}`, `upload ${id}`].sort());
  expect(report.bytes).toBe('nobody needs this'.length + 'half'.length);
  expect(exists(lonely)).toBe(false);
  expect([digest, ...blobs].every(exists)).toBe(true);
  await expect(registry.uploads.state(NAME, id)).rejects.toMatchObject({ code: 'BLOB_UPLOAD_UNKNOWN' });
});

test('a dry run says the same and removes nothing', async () => {
  const lonely = await pushBlob(Buffer.from('nobody needs this'));
  const dry = await collect({ dryRun: true });
  expect(exists(lonely)).toBe(true);
  expect(await registry.blobs.find(NAME, lonely)).toBeDefined();
  const wet = await collect();
  expect(wet.names).toEqual(dry.names);
  expect(wet.report).toEqual(dry.report);
});

test('a deleted manifest takes what only it needed', async () => {
  const shared = Buffer.from('shared by both');
  const one = imageOf([shared, randomBytes(500)]);
  const other = imageOf([shared, randomBytes(500)]);
  for (const [tag, image] of Object.entries({ one, other })) {
    for (const blob of image.blobs) await pushBlob(blob);
    await putManifest(tag, image.manifest, OCI_IMAGE);
  }
  await registry.manifests.remove(NAME, sha256(one.manifest));
  const { names } = await collect();
  const gone = [sha256(one.manifest), sha256(one.blobs[2] ?? Buffer.alloc(0))];
  expect(names.filter((name) => name.startsWith('content'))).toEqual(
    gone.map((it) => `content ${it}`).sort(),
  );
  expect(exists(sha256(shared))).toBe(true);
});

describe('manifests without a tag', () => {
  test('stay unless they are to go', async () => {
    const { digest } = await push(undefined);
    expect((await collect()).names).toEqual([]);
    expect((await collect({ untagged: 'remove' })).names).toContain(`manifest ${digest}`);
    expect(exists(digest)).toBe(false);
  });

  test('stay as children of an index that has a tag, and as what speaks of a kept manifest', async () => {
    const child = await push(undefined);
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: INDEX_TYPE,
        manifests: [{ mediaType: OCI_IMAGE, digest: child.digest, size: child.size }],
      }),
    );
    await putManifest('multi', index, INDEX_TYPE);
    const subject = { mediaType: OCI_IMAGE, digest: child.digest, size: child.size };
    const signature = await push(undefined, { subject, artifactType: 'application/example.signature' });
    const of = { mediaType: OCI_IMAGE, digest: signature.digest, size: signature.size };
    const ofSignature = await push(undefined, { subject: of, artifactType: 'application/example.time' });
    const nobodys = await push(undefined);
    const { names } = await collect({ untagged: 'remove' });
    expect(names.filter((name) => name.startsWith('manifest'))).toEqual([`manifest ${nobodys.digest}`]);
    expect([child, signature, ofSignature].every(({ digest }) => exists(digest))).toBe(true);
    await registry.tags.remove(NAME, parseTagOf('multi'));
    const later = await collect({ untagged: 'remove' });
    expect(later.report.removed.manifest).toBe(4);
    expect(
      await readdir(join(folder, 'docker/registry/v2/blobs/sha256')).then((them) => them.length),
    ).toBeGreaterThan(0);
  });

  test('have their grace from the moment that they lose their tag', async () => {
    const old = await push('latest');
    await sleep(2100);
    const fresh = await push('latest');
    const { names } = await collect({ untagged: 'remove', graceMs: 2000 });
    expect(names).toEqual([]);
    await sleep(2100);
    const later = await collect({ untagged: 'remove', graceMs: 2000 });
    expect(later.names).toContain(`manifest ${old.digest}`);
    expect(exists(fresh.digest)).toBe(true);
  });
});

const parseTagOf = (text: string) => {
  const { tag } = parseReference(text);
  if (tag === undefined) throw new Error('no tag');
  return tag;
};

describe('what a client was told is here stays for the grace', () => {
  const GRACE = { graceMs: 2000 };

  test('after it was pushed again, asked for, or mounted', async () => {
    const bytes = ['pushed', 'asked', 'mounted', 'forgotten'].map((text) => Buffer.from(text));
    const [pushed, asked, mounted, forgotten] = await Promise.all(bytes.map((each) => pushBlob(each)));
    if (!pushed || !asked || !mounted || !forgotten) throw new Error('no digests');
    await sleep(2100);
    await pushBlob(Buffer.from('pushed'));
    expect(await registry.blobs.findForPush(NAME, asked)).toBeDefined();
    const elsewhere = parseRepositoryName('else/where');
    expect(await registry.blobs.mount(elsewhere, mounted, NAME)).toBe(true);
    const { names } = await collect(GRACE);
    expect(names).toEqual([`content ${forgotten}`, `link ${forgotten}`, `link ${mounted}`].sort());
    expect(await registry.blobs.find(elsewhere, mounted)).toBeDefined();
  });

  test('also what comes while a collection takes longer than that', async () => {
    await push('old');
    const parts = registry.content.parts.bind(registry.content);
    const pushed: Digest[] = [];
    // All links have been looked at by then.
    jest.spyOn(registry.content, 'parts').mockImplementationOnce(async () => {
      const { digest, blobs } = await push('late');
      pushed.push(digest, ...blobs);
      await sleep(120);
      return parts();
    });
    await collect();
    expect(pushed).toHaveLength(3);
    expect(pushed.filter((digest) => !exists(digest))).toEqual([]);
  });

  test('old modification times of a copy do not count', async () => {
    const lonely = await pushBlob(Buffer.from('copied with its times'));
    const long = new Date('2016-08-01T00:00:00Z');
    const data = registry.layout.data(lonely);
    for (const path of [registry.layout.layerLink(NAME, lonely), data, dirname(data)])
      await utimes(path, long, long);
    expect((await collect(GRACE)).names).toEqual([]);
  });
});

describe('a repository of which nothing is left', () => {
  const listed = () => registry.catalog.list();

  /** Two collections: the first one takes what was linked, and the folders have their grace from then on. */
  async function empty(): Promise<void> {
    const { digest } = await push('v1', {
      subject: { mediaType: OCI_IMAGE, digest: sha256(Buffer.of()), size: 0 },
    });
    await registry.manifests.remove(NAME, digest);
    await collect();
  }

  test('goes after its grace, with the folders that held nothing else', async () => {
    await empty();
    expect(await listed()).toEqual([NAME]);
    const young = await collect({ graceMs: 60_000 });
    expect([young.names, await listed()]).toEqual([[], [NAME]]);
    const dry = await collect({ dryRun: true });
    expect([dry.names, await listed()]).toEqual([[`repository ${NAME}`], [NAME]]);
    const { names, report } = await collect();
    expect([names, report.removed.repository, await listed()]).toEqual([[`repository ${NAME}`], 1, []]);
    expect(await readdir(registry.layout.repositories)).toEqual([]);
    expect((await collect()).names).toEqual([]);
  });

  test('leaves the repositories below it', async () => {
    const below = parseRepositoryName(`${NAME}/part`);
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] }));
    const sent = { bytes: index, contentType: INDEX_TYPE, tags: [] };
    await registry.manifests.put(below, parseReference('v1'), sent);
    await empty();
    const { names } = await collect();
    expect(names).toContain(`repository ${NAME}`);
    expect(await readdir(registry.layout.repository(NAME))).toEqual(['part']);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['an upload', () => registry.uploads.begin(NAME)],
    ['a file that nobody knows', () => writeFile(join(registry.layout.layers(NAME), 'note'), '')],
  ])('stays with %s', async (_, add) => {
    await empty();
    await add();
    const { names } = await collect({ uploadsMs: 60_000 });
    expect([names, await listed()]).toEqual([[], [NAME]]);
  });

  test('and is pushed to while it goes is whole afterwards, for the reference, too', async () => {
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] }));
    for (let times = 0; times < 4; times += 1) {
      await empty();
      // Long enough that nothing is pushed for longer.
      const graceMs = 500;
      await sleep(graceMs);
      const collecting = collect({ graceMs });
      await sleep(60);
      await Promise.all([collecting, putManifest('v1', index, INDEX_TYPE), pushBlob(Buffer.from('other'))]);
      expect(await registry.tags.list(NAME)).toEqual(['v1']);
      expect((await registry.manifests.find(NAME, parseReference('v1')))?.bytes).toEqual(index);
      expect((await readdir(registry.layout.repository(NAME))).sort()).toEqual(
        expect.arrayContaining(['_layers', '_manifests']),
      );
      await registry.manifests.remove(NAME, sha256(index));
    }
  });
});

describe('what cannot be understood is not touched', () => {
  test('a repository with a manifest that cannot be read keeps all its blobs', async () => {
    const { digest, blobs } = await push('v1');
    const lonely = await pushBlob(Buffer.from('nobody needs this'));
    await writeFile(registry.layout.data(digest), 'damaged');
    const { names, report } = await collect({ untagged: 'remove' });
    expect([names, report.spared]).toEqual([[], [NAME]]);
    expect([...blobs, lonely].every(exists)).toBe(true);
  });

  test('a manifest of schema 1, as an old folder of the reference may hold, spares its repository', async () => {
    const old = Buffer.from(JSON.stringify({ schemaVersion: 1, fsLayers: [] }));
    const digest = await pushBlob(old);
    const link = registry.layout.revisionLink(NAME, digest);
    await mkdir(dirname(link), { recursive: true });
    await writeFile(link, digest);
    const { names, report } = await collect();
    expect([names, report.spared]).toEqual([[], [NAME]]);
  });

  test('a folder with a name that no repository can have ends the collection', async () => {
    const lonely = await pushBlob(Buffer.from('nobody needs this'));
    const strange = join(registry.layout.repositories, 'Old', '_layers/sha256', lonely.slice(7));
    await mkdir(strange, { recursive: true });
    await writeFile(join(strange, 'link'), lonely);
    await expect(collect()).rejects.toMatchObject({ code: 'NAME_INVALID' });
    expect(exists(lonely)).toBe(true);
  });

  test('bytes stay that the reference knows by a SHA-512 which it links to a SHA-256', async () => {
    const bytes = Buffer.from('by two names');
    const content = await pushBlob(bytes);
    const other = digestOf('sha512', createHash('sha512').update(bytes).digest('hex'));
    await rm(dirname(registry.layout.layerLink(NAME, content)), { recursive: true });
    const alias = registry.layout.layerLink(NAME, other);
    await mkdir(dirname(alias), { recursive: true });
    await writeFile(alias, content);
    const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: other, size: bytes.length };
    await push('v1', { layers: [layer] });
    const lonely = await pushBlob(Buffer.from('nobody needs this'));
    const { report } = await collect();
    expect(exists(lonely)).toBe(false);
    expect(report.removed.content).toBeGreaterThan(0);
    expect(await readFile(registry.layout.data(other))).toEqual(bytes);
  });
});
