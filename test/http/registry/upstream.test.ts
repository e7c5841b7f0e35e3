/** Pull-through: what is not here comes from a named upstream, and is kept like all else. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type LiveDepot, type LiveDepotOptions, startLiveDepot } from '../../fixtures/live-depot.js';
import { codesOf, digestOf, imageOf, RegistryClient } from '../../fixtures/registry-client.js';
import { startUpstream, type UpstreamRegistry } from '../../fixtures/upstream-registry.js';

let upstream: UpstreamRegistry;
let depots: LiveDepot[];
beforeEach(async () => {
  upstream = await startUpstream();
  depots = [];
});
afterEach(async () => {
  await upstream.stop();
  for (const depot of depots) await depot.remove();
});

/** A depot whose `quay.io` is the upstream of the test. */
async function start(
  settings: Record<string, unknown> = {},
  timing: LiveDepotOptions['upstreamTiming'] = {},
): Promise<RegistryClient> {
  const upstreams = { 'quay.io': { url: upstream.url } };
  const depot = await startLiveDepot({
    settings: { 'registry.upstreams': upstreams, ...settings },
    upstreamTiming: { backoff: 5, ...timing },
  });
  depots.push(depot);
  return new RegistryClient(`http://127.0.0.1:${depot.port}`);
}

async function bytesOf(answer: Response): Promise<Buffer> {
  return Buffer.from(await answer.arrayBuffer());
}

async function errorOf(answer: Response): Promise<{ code: string; message: string }> {
  const { errors } = JSON.parse(await answer.text());
  return errors[0];
}

/** What containerd does: the tag by HEAD, the manifest by digest, then the blobs. */
async function pull(client: RegistryClient, name: string, tag: string, query = ''): Promise<string> {
  const head = await client.ask('HEAD', `${name}/manifests/${tag}${query}`);
  const digest = head.headers.get('docker-content-digest') ?? 'none';
  const manifest = await bytesOf(await client.get(`${name}/manifests/${digest}${query}`));
  expect(digestOf(manifest)).toBe(digest);
  const { config, layers } = JSON.parse(String(manifest));
  for (const part of [config, ...layers]) {
    const answer = await client.get(`${name}/blobs/${part.digest}${query}`);
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, String(part.size)]);
    expect(digestOf(await bytesOf(answer))).toBe(part.digest);
  }
  return digest;
}

describe('what an upstream has', () => {
  const image = imageOf(['a layer', randomBytes(300_000)]);
  beforeEach(() => upstream.put('coreos/flannel', 'v1', image));

  test('is pulled through a path that begins with its name', async () => {
    const client = await start();
    expect(await pull(client, 'quay.io/coreos/flannel', 'v1')).toBe(image.digest);
    expect((await client.get('quay.io/coreos/flannel/manifests/v1')).headers.get('oci-namespace')).toBeNull();
  });

  test('is pulled with ?ns=, and the answers say so', async () => {
    const client = await start();
    expect(await pull(client, 'coreos/flannel', 'v1', '?ns=quay.io')).toBe(image.digest);
    const answer = await client.get('coreos/flannel/manifests/v1?ns=quay.io');
    expect(answer.headers.get('oci-namespace')).toBe('quay.io');
    expect(answer.headers.get('warning')).toBeNull();
    expect(depots[0]?.log()).toContainEqual(
      expect.objectContaining({
        repository: 'quay.io/coreos/flannel',
        reference: 'v1',
        digest: image.digest,
      }),
    );
  });

  test('is pulled where the path and ?ns= both name it', async () => {
    const client = await start();
    expect(await pull(client, 'quay.io/coreos/flannel', 'v1', '?ns=quay.io')).toBe(image.digest);
    expect(await client.get('_catalog').then((answer) => answer.json())).toEqual({
      repositories: ['quay.io/coreos/flannel'],
    });
  });

  test('is kept like all else: listed, and there when the upstream is gone', async () => {
    const client = await start();
    await pull(client, 'coreos/flannel', 'v1', '?ns=quay.io');
    await upstream.stop();
    expect(await pull(client, 'quay.io/coreos/flannel', 'v1')).toBe(image.digest);
    const tags = await client.get('quay.io/coreos/flannel/tags/list');
    expect(await tags.json()).toEqual({ name: 'quay.io/coreos/flannel', tags: ['v1'] });
  });

  test('is there after a restart without any upstream', async () => {
    const client = await start();
    await pull(client, 'quay.io/coreos/flannel', 'v1');
    const folder = depots[0]?.folder ?? '';
    await depots[0]?.stop();
    const again = await start({ 'registry.upstreams': {}, 'data.dir': `${folder}/data` });
    expect(await pull(again, 'coreos/flannel', 'v1', '?ns=quay.io')).toBe(image.digest);
  });

  test('a name with a port is a folder without a colon', async () => {
    const client = await start({ 'registry.upstreams': { [upstream.host]: { url: upstream.url } } });
    const folder = upstream.host.replace(':', '_');
    expect(await pull(client, `${upstream.host}/coreos/flannel`, 'v1')).toBe(image.digest);
    expect(await pull(client, `${folder}/coreos/flannel`, 'v1')).toBe(image.digest);
    expect(await pull(client, 'coreos/flannel', 'v1', `?ns=${upstream.host}`)).toBe(image.digest);
    expect(await client.get('_catalog').then((answer) => answer.json())).toEqual({
      repositories: [`${folder}/coreos/flannel`],
    });
  });

  test('of an index only what is asked for is fetched', async () => {
    const other = imageOf(['for another machine']);
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [image, other].map(({ digest, manifest }) => ({
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest,
          size: manifest.length,
        })),
      }),
    );
    upstream.putManifest('coreos/flannel', 'all', index, 'application/vnd.oci.image.index.v1+json');
    const client = await start();
    const answer = await client.get('quay.io/coreos/flannel/manifests/all');
    expect(answer.headers.get('content-type')).toBe('application/vnd.oci.image.index.v1+json');
    expect((await bytesOf(answer)).equals(index)).toBe(true);
    expect((await client.get(`quay.io/coreos/flannel/manifests/${image.digest}`)).status).toBe(200);
    expect(upstream.requests.some(({ url }) => url.includes(other.digest))).toBe(false);
  });

  test('HEAD of a blob asks, and fetches nothing', async () => {
    const client = await start();
    const path = `quay.io/coreos/flannel/blobs/${digestOf(image.blobs[2] ?? '')}`;
    for (let times = 0; times < 2; times += 1) {
      const answer = await client.ask('HEAD', path);
      expect([answer.status, answer.headers.get('content-length')]).toEqual([200, '300000']);
    }
    expect([upstream.count('HEAD', /blobs/), upstream.count('GET', /blobs/)]).toEqual([1, 0]);
  });

  test.each([
    ['bytes=10-19', 206, 10],
    ['bytes=299990-', 206, 10],
    ['bytes=-300000', 206, 300_000],
    ['bytes=300000-', 416, undefined],
  ])('a cold blob answers a range, %s', async (range, status, length) => {
    const bytes = image.blobs[2] ?? Buffer.alloc(0);
    const client = await start();
    const answer = await client.get(`quay.io/coreos/flannel/blobs/${digestOf(bytes)}`, { Range: range });
    expect(answer.status).toBe(status);
    const [, first = ''] = /^bytes (\d+)-/.exec(answer.headers.get('content-range') ?? '') ?? [];
    const got = await bytesOf(answer);
    if (length !== undefined) {
      expect(got.equals(bytes.subarray(Number(first), Number(first) + length))).toBe(true);
    }
  });

  test('several ranges of a cold blob come in one answer', async () => {
    const bytes = image.blobs[2] ?? Buffer.alloc(0);
    const client = await start();
    const answer = await client.get(`quay.io/coreos/flannel/blobs/${digestOf(bytes)}`, {
      Range: 'bytes=0-4,299990-299999',
    });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      206,
      expect.stringContaining('multipart/byteranges'),
    ]);
    const body = await bytesOf(answer);
    expect([body.includes(bytes.subarray(0, 5)), body.includes(bytes.subarray(-10))]).toEqual([true, true]);
  });

  test('a blob of another repository is shared only if the upstream has it there, too', async () => {
    const client = await start();
    await pull(client, 'quay.io/coreos/flannel', 'v1');
    const layer = image.blobs[2] ?? Buffer.alloc(0);
    upstream.putBlob('coreos/etcd', layer);
    const path = (name: string) => `quay.io/coreos/${name}/blobs/${digestOf(layer)}`;
    expect((await client.get(path('secret'))).status).toBe(404);
    expect((await bytesOf(await client.get(path('etcd')))).equals(layer)).toBe(true);
    expect(upstream.count('GET', /etcd\/blobs/)).toBe(0);
  });

  test('a damaged blob is healed by the next pull', async () => {
    const client = await start();
    await pull(client, 'quay.io/coreos/flannel', 'v1');
    const folder = depots[0]?.folder ?? '';
    await depots[0]?.stop();
    const digest = digestOf(image.blobs[1] ?? '');
    const hex = digest.slice(7);
    const data = `data/registry/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
    await writeFile(join(folder, data), 'a lawyer');
    const again = await start({ 'data.dir': join(folder, 'data') });
    const path = `quay.io/coreos/flannel/blobs/${digest}`;
    const attempt = () => again.get(path).then(bytesOf);
    expect((await again.get(path)).status).toBe(404);
    expect(String(await attempt())).toBe('a layer');
    expect(upstream.count('GET', new RegExp(digest))).toBe(2);
  });

  test('is counted', async () => {
    const client = await start();
    await pull(client, 'quay.io/coreos/flannel', 'v1');
    await pull(client, 'quay.io/coreos/flannel', 'v1');
    const text = await fetch(`http://127.0.0.1:${depots[0]?.port}/metrics`).then((answer) => answer.text());
    expect(text).toContain('bootdepot_upstream_misses_total 4');
    expect(text).toMatch(/bootdepot_upstream_hits_total [1-9]/);
    expect(text).toMatch(/bootdepot_upstream_bytes_total 30\d{4}/);
  });
});

describe('what is pushed', () => {
  test('with ?ns= goes to the plain name, and is found there', async () => {
    const image = imageOf(['ours']);
    const client = await start();
    for (const blob of image.blobs) {
      const location = await client.begin('lab/app', '?ns=other.example');
      expect(
        (await client.ask('PUT', `${location}?ns=other.example&digest=${digestOf(blob)}`, blob)).status,
      ).toBe(201);
    }
    expect((await client.pushManifest('lab/app', 'v1?ns=other.example', image.manifest)).status).toBe(201);
    expect(await pull(client, 'lab/app', 'v1')).toBe(image.digest);
    expect(await pull(client, 'lab/app', 'v1', '?ns=other.example')).toBe(image.digest);
    expect(upstream.connections).toBe(0);
  });
});

describe('what is pushed beside an upstream', () => {
  const theirs = imageOf(['theirs']);
  const ours = imageOf(['theirs', 'ours'], { annotations: { by: 'us' } });

  /** What containerd does where a host may push: it asks for each blob first, and says everywhere whose it is. */
  async function push(client: RegistryClient, name: string): Promise<void> {
    const ns = '?ns=quay.io';
    for (const blob of ours.blobs) {
      if ((await client.ask('HEAD', `${name}/blobs/${digestOf(blob)}${ns}`)).status === 200) continue;
      const location = await client.begin(name, ns);
      expect(location).toMatch(/^\/v2\/quay\.io\/lab\/app\//);
      const put = await client.ask('PUT', `${location}${ns}&digest=${digestOf(blob)}`, blob);
      expect(put.status).toBe(201);
    }
    const answer = await client.pushManifest(name, `v9${ns}`, ours.manifest);
    expect([answer.status, answer.headers.get('oci-namespace')]).toEqual([201, 'quay.io']);
  }

  test.each(['lab/app', 'quay.io/lab/app'])('with ?ns= of it as %s is found there', async (name) => {
    const client = await start();
    await push(client, name);
    expect(await pull(client, 'lab/app', 'v9', '?ns=quay.io')).toBe(ours.digest);
    expect(await pull(client, 'quay.io/lab/app', 'v9')).toBe(ours.digest);
    expect(upstream.requests.every(({ method }) => method === 'HEAD' || method === 'GET')).toBe(true);
  });

  test('and builds on what only the upstream has gets that first', async () => {
    upstream.put('lab/app', 'v1', theirs);
    const client = await start();
    await push(client, 'lab/app');
    await upstream.stop();
    expect(await pull(client, 'quay.io/lab/app', 'v9')).toBe(ours.digest);
  });

  test('and builds on what nobody has is refused', async () => {
    const client = await start();
    const answer = await client.pushManifest('lab/app', 'v9?ns=quay.io', ours.manifest);
    expect([answer.status, await codesOf(answer)]).toEqual([
      400,
      ours.blobs.map(() => 'MANIFEST_BLOB_UNKNOWN'),
    ]);
  });
});

describe('what nobody configured', () => {
  test.each([
    ['another registry', 'coreos/flannel/manifests/v1?ns=ghcr.io'],
    ['no name at all', 'coreos/flannel/manifests/v1?ns=%00/..%2F..'],
    ['ourselves', 'coreos/flannel/manifests/v1?ns=SELF'],
    ['nobody', 'coreos/flannel/manifests/v1'],
  ])('is unknown at once and never asked for: ?ns= of %s', async (_, path) => {
    upstream.put('coreos/flannel', 'v1', imageOf(['a layer']));
    const client = await start();
    const answer = await client.get(path.replace('SELF', `127.0.0.1:${depots[0]?.port}`));
    expect([answer.status, await codesOf(answer)]).toEqual([404, ['MANIFEST_UNKNOWN']]);
    expect([answer.headers.get('oci-namespace'), upstream.connections]).toEqual([null, 0]);
  });

  test('is not asked for by an unknown host in the path either', async () => {
    const client = await start();
    expect((await client.get('ghcr.io/coreos/flannel/manifests/v1')).status).toBe(404);
    expect((await client.get('/v2/localhost:5009/x/manifests/v1')).status).toBe(400);
    expect(upstream.connections).toBe(0);
  });
});

describe('a tag', () => {
  const one = imageOf(['one']);
  const two = imageOf(['two']);
  const path = 'quay.io/a/manifests/v1';
  beforeEach(() => upstream.put('a', 'v1', one));

  test('is not asked for again while it is fresh', async () => {
    const client = await start();
    for (let times = 0; times < 5; times += 1) expect((await client.get(path)).status).toBe(200);
    expect(upstream.requests.map(({ method }) => method)).toEqual(['GET']);
  });

  test('is asked for by HEAD when it is not, and fetched only if it moved', async () => {
    const client = await start({}, { freshTag: 0 });
    await client.get(path);
    await client.get(path);
    expect(upstream.requests.map(({ method }) => method)).toEqual(['GET', 'HEAD']);
    upstream.put('a', 'v1', two);
    expect((await client.get(path)).headers.get('docker-content-digest')).toBe(two.digest);
    expect(upstream.requests.map(({ method }) => method)).toEqual(['GET', 'HEAD', 'HEAD', 'GET']);
    upstream.put('a', 'v1', one);
    expect((await client.get(path)).headers.get('docker-content-digest')).toBe(one.digest);
    expect(upstream.count('GET', /manifests/)).toBe(2);
  });

  test('of an upstream that does not tell digests is fetched and hashed', async () => {
    upstream.script = (_req, res, serve) => {
      res.writeHead = new Proxy(res.writeHead, {
        apply(write, self, [status, headers]) {
          const { 'Docker-Content-Digest': _, ...others } = headers ?? {};
          return Reflect.apply(write, self, [status, others]);
        },
      });
      serve();
    };
    const client = await start({}, { freshTag: 0 });
    expect((await client.get(path)).headers.get('docker-content-digest')).toBe(one.digest);
    upstream.put('a', 'v1', two);
    expect((await client.get(path)).headers.get('docker-content-digest')).toBe(two.digest);
  });

  test('that is asked for by many at once is asked for once', async () => {
    const client = await start();
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.get(path)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(upstream.requests).toHaveLength(1);
  });

  test.each([
    ['is gone', () => void upstream.stop(), /quay\.io (?:refuses connections|broke the connection off)/],
    ['answers 500', failing(500), /quay\.io answers 500/],
    ['refuses us', failing(401), /quay\.io refuses us \(401\)/],
    ['has too many clients', failing(429), /quay\.io answers 429/],
    ['sends nonsense', nonsense(), /quay\.io sent what is not kept here: .*mediaType is \?a\?/],
    ['lost the tag', () => upstream.removeTag('a', 'v1'), /quay\.io has no such tag any more/],
    ['says nothing', hanging(), /quay\.io does not answer in time/],
  ])('is served from here with a Warning when the upstream %s', async (_, spoil, reason) => {
    const client = await start({}, { freshTag: 0, revalidate: 200, patience: 0 });
    await client.get(path);
    spoil();
    const answer = await client.get(path);
    expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([200, one.digest]);
    const warning = answer.headers.get('warning') ?? '';
    expect(warning).toMatch(/^299 - "[^"\\]+"$/);
    expect(warning).toMatch(reason);
    expect(warning).toMatch(/last confirmed \d+ seconds ago/);
  });

  test('that could not be confirmed is not asked for again for a while', async () => {
    const client = await start({}, { freshTag: 3000, revalidate: 1000 });
    await client.get(path);
    await new Promise((wake) => setTimeout(wake, 3050));
    upstream.script = (_req, res) => void res.destroy();
    for (let times = 0; times < 5; times += 1) {
      expect((await client.get(path)).headers.get('warning')).toContain('quay.io');
    }
    expect(upstream.count('HEAD', /manifests/)).toBe(2);
  });

  test('that is set once is not asked for again', async () => {
    const client = await start({ 'registry.immutableTags': ['v*'] }, { freshTag: 0 });
    await client.get(path);
    upstream.put('a', 'v1', two);
    const answer = await client.get(path);
    expect([answer.headers.get('docker-content-digest'), answer.headers.get('warning')]).toEqual([
      one.digest,
      null,
    ]);
    expect(upstream.requests).toHaveLength(1);
  });

  test('is not served for ever', async () => {
    const client = await start({ 'registry.staleTags': '0s' }, { freshTag: 0 });
    await client.get(path);
    await new Promise((wake) => setTimeout(wake, 20));
    await upstream.stop();
    const answer = await client.get(path);
    expect(answer.status).toBe(502);
    expect(await codesOf(answer)).toEqual(['UPSTREAM_FAILED']);
    expect((await client.get(`quay.io/a/manifests/${one.digest}`)).status).toBe(200);
  });
});

function failing(status: number): () => void {
  return () => {
    upstream.script = (_req, res) => void res.writeHead(status).end();
  };
}

/** A manifest of a type that must not get into a header as it is. */
function nonsense(): () => void {
  return () => upstream.putManifest('a', 'v1', Buffer.from('{"schemaVersion":2,"mediaType":"\\"a\\n"}'));
}

function hanging(): () => void {
  return () => {
    upstream.script = () => undefined;
  };
}

describe('what is not there', () => {
  const digest = digestOf('nothing');
  test.each([
    ['a tag', 'manifests/v1', 'MANIFEST_UNKNOWN'],
    ['a manifest', `manifests/${digest}`, 'MANIFEST_UNKNOWN'],
    ['a blob', `blobs/${digest}`, 'BLOB_UNKNOWN'],
  ])('%s is unknown, and that is remembered', async (_, what, code) => {
    const client = await start();
    for (let times = 0; times < 3; times += 1) {
      const answer = await client.get(`quay.io/a/${what}`);
      expect([answer.status, await codesOf(answer)]).toEqual([404, [code]]);
      expect((await client.ask('HEAD', `quay.io/a/${what}`)).status).toBe(404);
    }
    expect(upstream.requests).toHaveLength(1);
  });

  test('is asked for again after a while', async () => {
    const client = await start({}, { missingTag: 50 });
    expect((await client.get('quay.io/a/manifests/v1')).status).toBe(404);
    upstream.put('a', 'v1', imageOf(['late']));
    await new Promise((wake) => setTimeout(wake, 60));
    expect((await client.get('quay.io/a/manifests/v1')).status).toBe(200);
  });

  test.each([
    ['is gone', () => void upstream.stop(), 502, 'UPSTREAM_FAILED', 'quay.io refuses connections'],
    ['answers 503', failing(503), 502, 'UPSTREAM_FAILED', 'quay.io answers 503'],
    ['refuses us', failing(403), 502, 'UPSTREAM_FAILED', 'quay.io refuses us (403): see its credentials'],
    ['says nothing', hanging(), 504, 'UPSTREAM_TIMEOUT', 'quay.io does not answer in time'],
  ])(
    'nobody knows when the upstream %s, and the answer says why',
    async (_, spoil, status, code, message) => {
      const client = await start({}, { headers: 150 });
      spoil();
      for (const what of ['manifests/v1', `blobs/${digest}`]) {
        const answer = await client.get(`quay.io/a/${what}`);
        expect(answer.status).toBe(status);
        expect(await errorOf(answer)).toMatchObject({ code, message });
      }
    },
  );
});

describe('offline', () => {
  test('dials nobody: what is here is served, what is not is unknown', async () => {
    const image = imageOf(['a layer']);
    upstream.put('a', 'v1', image);
    const client = await start();
    await pull(client, 'quay.io/a', 'v1');
    const folder = depots[0]?.folder ?? '';
    await depots[0]?.stop();
    const before = upstream.connections;
    const offline = await start({ 'registry.offline': true, 'data.dir': `${folder}/data` }, { freshTag: 0 });
    expect(await pull(offline, 'a', 'v1', '?ns=quay.io')).toBe(image.digest);
    for (const what of ['manifests/v2', `manifests/${digestOf('')}`, `blobs/${digestOf('')}`]) {
      const answer = await offline.get(`quay.io/a/${what}`);
      expect(answer.status).toBe(404);
      expect((await errorOf(answer)).message).toContain('offline');
      expect((await offline.ask('HEAD', `quay.io/a/${what}`)).status).toBe(404);
    }
    expect(upstream.connections).toBe(before);
  });
});
