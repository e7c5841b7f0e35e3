/** Images are copied by content from registries that misbehave as they are told. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openRegistry, parseRepositoryName, parseTag } from '../../server/index.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { digestOf, imageOf, RegistryClient } from '../fixtures/registry-client.js';
import { startUpstream, type UpstreamRegistry } from '../fixtures/upstream-registry.js';
import { mirror, outcomes } from './mirror-job.js';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const base = Buffer.alloc(300_000, 'base');
const image = imageOf([base, 'one']);
const other = imageOf([base, 'two']);

let folder: string;
let upstream: UpstreamRegistry;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-mirror-'));
  upstream = await startUpstream();
  upstream.put('team/app', 'v1', image);
  upstream.put('team/other', 'v1', other);
});
afterEach(async () => {
  await upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

const from = (...names: string[]) => names.map((name) => `${upstream.host}/${name}`);
const kept = (name: string) => `${upstream.host.replace(':', '_')}/${name}`;

async function tagAt(name: string, tag: string): Promise<string | undefined> {
  const registry = await openRegistry({
    dir: join(folder, 'data/registry'),
    freeSpace: 0,
    onDamage: () => undefined,
  });
  return (await registry.manifests.find(parseRepositoryName(name), { tag: parseTag(tag) }))?.digest;
}

const blobPath = (digest: string) => {
  const hex = digest.slice(7);
  return join(folder, 'data/registry/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
};

describe('into the folder', () => {
  test('images come whole, what they share once; the second run asks one question for each', async () => {
    const images = from('team/app:v1', 'team/other:v1');
    const first = await mirror(folder, { images });
    expect(outcomes(first)).toEqual({ [kept('team/app:v1')]: 'new', [kept('team/other:v1')]: 'new' });
    expect(await tagAt(kept('team/app'), 'v1')).toBe(image.digest);
    expect(readFileSync(blobPath(digestOf(base)))).toEqual(base);
    expect(upstream.count('GET', new RegExp(`blobs/${digestOf(base)}`))).toBe(1);

    const before = upstream.requests.length;
    const second = await mirror(folder, { images });
    expect(outcomes(second)).toEqual({
      [kept('team/app:v1')]: 'unchanged',
      [kept('team/other:v1')]: 'unchanged',
    });
    const asked = upstream.requests.slice(before).map(({ method, url }) => `${method} ${url}`);
    expect(asked.sort()).toEqual(['HEAD /v2/team/app/manifests/v1', 'HEAD /v2/team/other/manifests/v1']);
  });

  test('a tag that moved brings only the layer that is new; a blob that was lost comes again', async () => {
    const images = from('team/app:v1');
    await mirror(folder, { images });
    upstream.put('team/app', 'v1', other);
    const before = upstream.requests.length;
    expect((await mirror(folder, { images })).images[0]?.done?.status).toBe('new');
    const fetched = upstream.requests.slice(before).filter(({ url }) => url.includes('/blobs/'));
    expect(fetched.map(({ url }) => url.split('/').at(-1))).toEqual([digestOf('two')]);

    rmSync(blobPath(digestOf('two')));
    await mirror(folder, { images });
    expect(readFileSync(blobPath(digestOf('two')), 'utf8')).toBe('two');
  });

  test('one bad image does not stop the others, and is in the report with its reason', async () => {
    const images = from('team/app:v1', 'team/app:none', 'nobody/here:v1', 'team/other:v1', 'UPPER/x:v1');
    const report = await mirror(folder, { images });
    const { [kept('team/app:v1')]: good, [kept('team/other:v1')]: fine, ...bad } = outcomes(report);
    expect([good, fine]).toEqual(['new', 'new']);
    expect(Object.keys(bad).sort()).toEqual(
      [kept('nobody/here:v1'), kept('team/app:none'), `${upstream.host}/UPPER/x:v1`].sort(),
    );
    expect(bad[kept('team/app:none')]).toMatch(/its registry has no .*team\/app:none/);
  });

  test('two sources that would have one name stop everything before a byte is copied', async () => {
    const images = from('team/app:v1', 'other/app:v1');
    await expect(mirror(folder, { images, rename: ['basename'] })).rejects.toMatchObject({ code: 'USAGE' });
    expect(upstream.requests).toHaveLength(0);
  });

  test('what a killed process left is gone on with by range, and other bytes than the digest are not kept', async () => {
    upstream.script = (req, res, serve) => {
      if (!req.url?.includes(digestOf(base))) return serve();
      if (req.headers.range === undefined) {
        res.writeHead(200, { 'Content-Length': base.length });
        res.write(base.subarray(0, 100_000), () => res.destroy());
      } else res.writeHead(503).end();
    };
    const images = from('team/app:v1');
    const failed = await mirror(folder, { images });
    expect(failed.images[0]?.error?.code).toBe('UPSTREAM_FAILED');
    expect(await tagAt(kept('team/app'), 'v1')).toBeUndefined();

    upstream.script = undefined;
    const before = upstream.requests.length;
    await mirror(folder, { images });
    const [again] = upstream.requests.slice(before).filter(({ url }) => url.includes(digestOf(base)));
    expect(again?.headers.range).toBe('bytes=100000-');
    expect(await tagAt(kept('team/app'), 'v1')).toBe(image.digest);
  });

  test('lies: wrong bytes are refused, nothing of them stays, and the tag is not set', async () => {
    upstream.script = (req, res, serve) => {
      if (!req.url?.includes(digestOf(base))) return serve();
      res.writeHead(200, { 'Content-Length': base.length }).end(Buffer.alloc(base.length, 'lies'));
    };
    const report = await mirror(folder, { images: from('team/app:v1') });
    expect(report.images[0]?.error?.message).toMatch(/sent other bytes than were asked for/);
    expect(existsSync(blobPath(digestOf(base)))).toBe(false);
    expect(readdirSync(join(folder, 'data/registry/.bootdepot/mirror'))).toEqual([]);
    expect(await tagAt(kept('team/app'), 'v1')).toBeUndefined();
  });

  test('429 is waited for as long as the registry says, and 503 is asked again', async () => {
    let busy = 0;
    upstream.script = (_req, res, serve) => {
      busy += 1;
      if (busy === 1) res.writeHead(429, { 'Retry-After': '0' }).end();
      else if (busy === 3) res.writeHead(503).end();
      else serve();
    };
    expect(outcomes(await mirror(folder, { images: from('team/app:v1') }))).toEqual({
      [kept('team/app:v1')]: 'new',
    });
  });

  test('a dry run asks, and writes nothing', async () => {
    const report = await mirror(folder, { images: from('team/app:v1'), dryRun: true });
    expect(report.images[0]?.done).toMatchObject({ status: 'new' });
    expect(report.images[0]?.done?.bytes).toBeGreaterThan(base.length);
    expect(upstream.count('GET', /blobs/)).toBe(0);
    expect(await tagAt(kept('team/app'), 'v1')).toBeUndefined();
  });

  test('a tag with a digest is set to that digest; a digest alone is kept without a tag', async () => {
    const images = from(`team/app:pinned@${image.digest}`, `team/other@${other.digest}`);
    expect(Object.values(outcomes(await mirror(folder, { images })))).toEqual(['new', 'new']);
    expect(await tagAt(kept('team/app'), 'pinned')).toBe(image.digest);
    expect(Object.values(outcomes(await mirror(folder, { images })))).toEqual(['unchanged', 'unchanged']);
  });
});

describe('tags', () => {
  const made = (created: string) => {
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', created }));
    const entry = (mediaType: string, bytes: Buffer) => ({
      mediaType,
      digest: digestOf(bytes),
      size: bytes.length,
    });
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: entry('application/vnd.oci.image.config.v1+json', config),
        layers: [],
      }),
    );
    return { blobs: [config], manifest, digest: digestOf(manifest) };
  };
  const names = ['v1.1', 'v1.2', 'v1.10', 'v2.0-rc1', 'edge'];
  beforeEach(() => {
    for (const [index, tag] of names.entries())
      upstream.put('team/many', tag, made(`202${index}-01-01T00:00:00Z`));
    // In two pages.
    upstream.script = (req, res, serve) => {
      if (!req.url?.includes('/team/many/tags/list')) return serve();
      const isFirst = !req.url.includes('last=');
      if (isFirst) res.setHeader('Link', '</v2/team/many/tags/list?last=v1.2&n=2>; rel="next"');
      res.end(JSON.stringify({ name: 'team/many', tags: isFirst ? names.slice(0, 2) : names.slice(2) }));
    };
  });
  const tagsOf = async (line: string, choice = {}) =>
    Object.keys(outcomes(await mirror(folder, { images: from(line), ...choice }))).map(
      (name) => name.split(':')[1],
    );

  test('by glob, by range, the newest, and those made since a day', async () => {
    expect(await tagsOf('team/many:v1*')).toEqual(['v1.1', 'v1.10', 'v1.2']);
    expect(await tagsOf('team/many:>=1.2 <2')).toEqual(['v1.10', 'v1.2']);
    expect(await tagsOf('team/many:*', { newest: 2 })).toEqual(['v1.10', 'v1.2']);
    expect(await tagsOf('team/many:*', { since: Date.parse('2022-06-01') })).toEqual(['edge', 'v2.0-rc1']);
  });

  test('those that the list does not name are shown, and removed when that is asked for', async () => {
    await mirror(folder, { images: from('team/many:*', 'team/app:v1') });
    const images = from('team/many:v1.1');
    const unnamed = ['edge', 'v1.10', 'v1.2', 'v2.0-rc1'];
    const shown = await mirror(folder, { images, prune: 'show' });
    expect(shown.left.map(({ tag }) => tag)).toEqual(unnamed);
    expect(await tagAt(kept('team/many'), 'edge')).toBeDefined();
    const broken = await mirror(folder, { images: [...images, ...from('team/many:~/(/')], prune: 'remove' });
    expect(broken.left.map(({ tag }) => tag)).toEqual(unnamed);
    expect(await tagAt(kept('team/many'), 'edge')).toBeUndefined();
    expect(await tagAt(kept('team/many'), 'v1.1')).toBeDefined();
    expect(await tagAt(kept('team/app'), 'v1')).toBeDefined();
  });
});

describe('lists of images for platforms', () => {
  const arm = imageOf([base, 'arm']);
  const entry = (each: typeof image, architecture: string, more = {}) => ({
    mediaType: MANIFEST,
    digest: each.digest,
    size: each.manifest.length,
    platform: { os: 'linux', architecture },
    ...more,
  });
  const proof = imageOf(['proof of arm']);
  const about = {
    annotations: { 'vnd.docker.reference.digest': arm.digest },
    platform: { os: 'unknown', architecture: 'unknown' },
  };
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [entry(image, 'amd64'), entry(arm, 'arm64'), entry(proof, '', about)],
    }),
  );
  const amd64 = [{ os: 'linux', architecture: 'amd64', variant: '' }];
  beforeEach(() => {
    for (const each of [image, arm, proof]) upstream.put('team/multi', 'x', each);
    upstream.putManifest('team/multi', 'v1', index, INDEX);
  });

  test('all of them come, or those that are asked for; the list keeps its digest', async () => {
    const images = from('team/multi:v1');
    await mirror(folder, { images, platforms: amd64 });
    expect(await tagAt(kept('team/multi'), 'v1')).toBe(digestOf(index));
    expect(existsSync(blobPath(image.digest))).toBe(true);
    expect(existsSync(blobPath(arm.digest))).toBe(false);
    expect(existsSync(blobPath(proof.digest))).toBe(false);
    expect(outcomes(await mirror(folder, { images, platforms: amd64 }))).toEqual({
      [kept('team/multi:v1')]: 'unchanged',
    });
    expect(outcomes(await mirror(folder, { images }))).toEqual({ [kept('team/multi:v1')]: 'new' });
    expect(existsSync(blobPath(arm.digest))).toBe(true);
    expect(existsSync(blobPath(proof.digest))).toBe(true);
  });

  test('a platform that there is no image for is told with those that there are', async () => {
    const s390x = [{ os: 'linux', architecture: 's390x', variant: '' }];
    const report = await mirror(folder, { images: from('team/multi:v1'), platforms: s390x });
    expect(report.images[0]?.error?.message).toBe(
      'no image for linux/s390x, there is linux/amd64, linux/arm64',
    );
  });
});

describe('what speaks of an image', () => {
  const subject = { mediaType: MANIFEST, digest: image.digest, size: image.manifest.length };
  const bill = imageOf(['a bill'], { artifactType: 'application/spdx+json', subject });
  const signature = imageOf(['a signature']);
  const signatureTag = `${image.digest.replace(':', '-')}.sig`;
  beforeEach(() => {
    upstream.put('team/app', 'bill', bill);
    upstream.put('team/app', signatureTag, signature);
    const list = {
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [{ mediaType: MANIFEST, digest: bill.digest, size: bill.manifest.length }],
    };
    upstream.putManifest(
      'team/app',
      image.digest.replace(':', '-'),
      Buffer.from(JSON.stringify(list)),
      INDEX,
    );
  });

  test('comes with it when that is asked for, also later', async () => {
    const images = from('team/app:v1');
    await mirror(folder, { images });
    expect(await tagAt(kept('team/app'), signatureTag)).toBeUndefined();
    expect(outcomes(await mirror(folder, { images, referrers: true }))).toEqual({
      [kept('team/app:v1')]: 'new',
    });
    expect(await tagAt(kept('team/app'), signatureTag)).toBe(signature.digest);
    const registry = await openRegistry({
      dir: join(folder, 'data/registry'),
      freeSpace: 0,
      onDamage: () => undefined,
    });
    const listed: string[] = [];
    const digest = await registry.tags.current(parseRepositoryName(kept('team/app')), parseTag('v1'));
    if (digest === undefined) throw new Error('no tag');
    for await (const each of registry.referrers.list(parseRepositoryName(kept('team/app')), digest))
      listed.push(each.digest);
    expect(listed).toEqual([bill.digest]);
    expect(outcomes(await mirror(folder, { images, referrers: true }))).toEqual({
      [kept('team/app:v1')]: 'unchanged',
    });
  });
});

describe('to another registry', () => {
  let depot: LiveDepot;
  let client: RegistryClient;
  beforeEach(async () => {
    depot = await startLiveDepot({ settings: { 'registry.delete': true } });
    client = new RegistryClient(depot.urls[0] ?? '');
  });
  afterEach(() => depot.remove());

  test('below a prefix, blobs mounted from each other, unchanged the second time', async () => {
    const to = `docker://127.0.0.1:${depot.port}/mirror`;
    const images = from('team/app:v1', 'team/other:v1');
    const job = { images, to, rename: ['basename'] };
    expect(outcomes(await mirror(folder, job))).toEqual({ 'app:v1': 'new', 'other:v1': 'new' });
    expect(upstream.count('GET', new RegExp(`blobs/${digestOf(base)}`))).toBe(1);
    const found = await client.get('mirror/app/manifests/v1');
    expect(found.headers.get('docker-content-digest')).toBe(image.digest);
    expect(
      Buffer.from(await (await client.get(`mirror/other/blobs/${digestOf('two')}`)).arrayBuffer()).toString(),
    ).toBe('two');
    expect(Object.values(outcomes(await mirror(folder, job)))).toEqual(['unchanged', 'unchanged']);
    await client.pushManifest('mirror/app', 'old', image.manifest);
    await mirror(folder, { ...job, prune: 'remove' });
    expect((await client.get('mirror/app/manifests/old')).status).toBe(404);
    expect(readdirSync(join(folder, 'data/registry/.bootdepot/mirror'))).toEqual([]);
  });

  test('plain http with another machine only where that was said', async () => {
    const job = { images: from('team/app:v1'), to: 'http://registry.example.com' };
    await expect(mirror(folder, job)).rejects.toThrow(
      /unless --insecure-registry registry.example.com is given/,
    );
  });
});

test('into a folder in the OCI layout, with the names in it', async () => {
  const to = `oci:${join(folder, 'layout')}`;
  const images = from('team/app:v1', `team/other@${other.digest}`);
  await mirror(folder, { images, to });
  const index: { manifests: { digest: string; annotations: Record<string, string> }[] } = JSON.parse(
    readFileSync(join(folder, 'layout/index.json'), 'utf8'),
  );
  const names = index.manifests.map(({ annotations }) => annotations['org.opencontainers.image.ref.name']);
  expect(names.sort()).toEqual([kept('team/app:v1'), kept(`team/other@${other.digest}`)].sort());
  for (const bytes of [base, image.manifest]) {
    const path = join(folder, 'layout/blobs/sha256', createHash('sha256').update(bytes).digest('hex'));
    expect(statSync(path).size).toBe(bytes.length);
  }
  expect(readdirSync(join(folder, 'layout')).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
  expect(Object.values(outcomes(await mirror(folder, { images, to })))).toEqual(['unchanged', 'unchanged']);
});
