/** Tags and referrers through an upstream: what verifies signatures asks for them before it asks for anything else. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type LiveDepot, type LiveDepotOptions, startLiveDepot } from '../../fixtures/live-depot.js';
import { codesOf, digestOf, imageOf, OCI_IMAGE, RegistryClient } from '../../fixtures/registry-client.js';
import { type Script, startUpstream, type UpstreamRegistry } from '../../fixtures/upstream-registry.js';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const SIGNATURE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const image = imageOf(['a layer']);
const subject = { mediaType: OCI_IMAGE, digest: image.digest, size: image.manifest.length };
const signature = imageOf(['a signature'], { artifactType: SIGNATURE, subject });
const sbom = imageOf(['a list'], { artifactType: 'application/spdx+json', subject });
const PATH = `quay.io/a/referrers/${image.digest}`;

let upstream: UpstreamRegistry;
let depots: LiveDepot[];
/** What the upstream lists beside its content: status and JSON by path and query. */
let lists: Map<string, { readonly status?: number; readonly body: unknown; readonly link?: string }>;
beforeEach(async () => {
  upstream = await startUpstream();
  upstream.put('a', 'v1', image);
  upstream.put('a', 'sig', signature);
  lists = new Map();
  upstream.script = listing;
  depots = [];
});
afterEach(async () => {
  await upstream.stop();
  for (const depot of depots) await depot.remove();
});

const listing: Script = (req, res, serve) => {
  const list = lists.get(req.url ?? '');
  if (list === undefined) return serve();
  const { status = 200, body, link } = list;
  res.writeHead(status, {
    'Content-Type': req.url?.includes('/referrers/') ? OCI_INDEX : 'application/json',
    ...(link !== undefined && { Link: link }),
  });
  res.end(JSON.stringify(body));
};

async function start(
  settings: Record<string, unknown> = {},
  timing: LiveDepotOptions['upstreamTiming'] = {},
): Promise<RegistryClient> {
  const depot = await startLiveDepot({
    settings: {
      'registry.upstreams': { 'quay.io': { url: upstream.url } },
      ...settings,
    },
    upstreamTiming: { backoff: 5, ...timing },
  });
  depots.push(depot);
  return new RegistryClient(`http://127.0.0.1:${depot.port}`);
}

/** A depot on the folder of the first one. */
async function restart(settings: Record<string, unknown> = {}): Promise<RegistryClient> {
  const folder = depots[0]?.folder ?? '';
  await depots.at(-1)?.stop();
  return start({ 'data.dir': `${folder}/data`, ...settings }, { freshTag: 0 });
}

function describeAll(...images: (typeof image)[]): object {
  const manifests = images.map(({ digest, manifest }) => {
    const { artifactType } = JSON.parse(String(manifest));
    return {
      mediaType: OCI_IMAGE,
      digest,
      size: manifest.length,
      artifactType,
      annotations: { by: 'upstream' },
    };
  });
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
}

async function referrersOf(answer: Response): Promise<{ digest: string; artifactType?: string }[]> {
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, OCI_INDEX]);
  return JSON.parse(await answer.text()).manifests;
}

async function tagsOf(answer: Response): Promise<string[]> {
  expect(answer.status).toBe(200);
  return JSON.parse(await answer.text()).tags;
}

describe('tags', () => {
  beforeEach(() => {
    // The second page is somewhere else, as far as a careless upstream says.
    lists.set('/v2/a/tags/list?n=1000', {
      body: { name: 'a', tags: ['v2', 'v10', 'no tag'] },
      link: '<http://127.0.0.1:1/v2/a/tags/list?n=1000&last=v10>; rel="next"',
    });
    lists.set('/v2/a/tags/list?n=1000&last=v10', { body: { name: 'a', tags: ['v1'] } });
  });

  test('are those of all pages of the upstream and those that are here, in pages of our own', async () => {
    const client = await start();
    await client.push('quay.io/a', 'ours', imageOf(['ours']));
    const first = await client.get('a/tags/list?ns=quay.io&n=3');
    expect(first.headers.get('oci-namespace')).toBe('quay.io');
    expect(await tagsOf(first)).toEqual(['ours', 'v1', 'v10']);
    const next = /<([^>]+)>/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    expect(await tagsOf(await client.get(next))).toEqual(['v2']);
    expect(await tagsOf(await client.get('quay.io/a/tags/list'))).toEqual(['ours', 'v1', 'v10', 'v2']);
    expect(upstream.count('GET', /tags/)).toBe(2);
  });

  test('are asked for once by many at once', async () => {
    const client = await start();
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.get('quay.io/a/tags/list')));
    for (const answer of answers) expect(await tagsOf(answer)).toEqual(['v1', 'v10', 'v2']);
    expect(upstream.count('GET', /tags/)).toBe(2);
  });

  test('that the upstream cannot confirm are shown with a Warning, as they were', async () => {
    const client = await start({}, { freshTag: 0 });
    await client.get('quay.io/a/tags/list');
    await upstream.stop();
    const answer = await client.get('quay.io/a/tags/list');
    expect(answer.headers.get('warning')).toMatch(/^299 - "quay\.io .*last confirmed \d+ seconds ago"$/);
    expect(await tagsOf(answer)).toEqual(['v1', 'v10', 'v2']);
  });

  test('are what is here after a restart without the upstream, or offline, where nobody is dialled', async () => {
    const client = await start();
    await client.get('quay.io/a/manifests/v1');
    const offline = await restart({ 'registry.offline': true });
    const before = upstream.connections;
    const quiet = await offline.get('quay.io/a/tags/list');
    expect([await tagsOf(quiet), quiet.headers.get('warning')]).toEqual([['v1'], null]);
    expect((await offline.get('quay.io/b/tags/list')).status).toBe(404);
    expect(upstream.connections).toBe(before);
    await upstream.stop();
    const alone = await restart();
    const answer = await alone.get('quay.io/a/tags/list');
    expect([await tagsOf(answer), answer.headers.get('warning')]).toEqual([
      ['v1'],
      expect.stringContaining('quay.io refuses connections'),
    ]);
  });

  test('of what neither has are unknown; where nothing is here, a failure is told', async () => {
    const client = await start();
    const unknown = await client.get('quay.io/b/tags/list');
    expect([unknown.status, await codesOf(unknown)]).toEqual([404, ['NAME_UNKNOWN']]);
    lists.set('/v2/c/tags/list?n=1000', { body: 'nonsense' });
    const failed = await client.get('quay.io/c/tags/list');
    expect(failed.status).toBe(502);
    expect(await failed.text()).toContain('quay.io sent a list that cannot be read');
    lists.set('/v2/d/tags/list?n=1000', {
      body: { tags: [] },
      link: '</v2/d/tags/list?n=1000>; rel="next"',
    });
    expect(await (await client.get('quay.io/d/tags/list')).text()).toContain('has a list without end');
  });
});

describe('referrers', () => {
  test('are those that the upstream lists, by type; their manifests and blobs follow', async () => {
    lists.set(`/v2/a/referrers/${image.digest}`, { body: describeAll(signature, sbom) });
    const client = await start();
    const answer = await client.get(
      `a/referrers/${image.digest}?ns=quay.io&artifactType=${encodeURIComponent(SIGNATURE)}`,
    );
    expect(answer.headers.get('oci-filters-applied')).toBe('artifactType');
    const [found, ...others] = await referrersOf(answer);
    expect(others).toEqual([]);
    expect(found).toMatchObject({
      digest: signature.digest,
      artifactType: SIGNATURE,
      annotations: { by: 'upstream' },
    });
    const manifest = await client.get(`quay.io/a/manifests/${found?.digest}`);
    expect(Buffer.from(await manifest.arrayBuffer())).toEqual(signature.manifest);
    const blob = await client.get(`quay.io/a/blobs/${digestOf('a signature')}`);
    expect(await blob.text()).toBe('a signature');
    // Once each, though one of them is noted here by now.
    const both = await referrersOf(await client.get(PATH));
    expect(both.map(({ digest }) => digest)).toEqual([signature.digest, sbom.digest].sort());
    expect(upstream.count('GET', /referrers/)).toBe(1);
  });

  test('that were pulled stay when the upstream is gone, with a Warning; offline without one', async () => {
    lists.set(`/v2/a/referrers/${image.digest}`, { body: describeAll(signature, sbom) });
    const client = await start();
    await client.get(PATH);
    await client.get(`quay.io/a/manifests/${signature.digest}`);
    await upstream.stop();
    const alone = await restart();
    const answer = await alone.get(PATH);
    expect(answer.headers.get('warning')).toContain('quay.io refuses connections');
    expect((await referrersOf(answer)).map(({ digest }) => digest)).toEqual([signature.digest]);
    const offline = await restart({ 'registry.offline': true });
    const quiet = await offline.get(PATH);
    expect(quiet.headers.get('warning')).toBeNull();
    expect((await referrersOf(quiet)).map(({ digest }) => digest)).toEqual([signature.digest]);
  });

  test('are never said to be none when nobody knows', async () => {
    const client = await start();
    await client.get('quay.io/a/manifests/v1');
    await upstream.stop();
    const answer = await client.get(PATH);
    expect([answer.status, await codesOf(answer)]).toEqual([502, ['UPSTREAM_FAILED']]);
  });

  test.each([404, 400])('of an upstream that answers %i are those under its fallback tag', async (status) => {
    lists.set(`/v2/a/referrers/${image.digest}`, { status, body: {} });
    const fallback = image.digest.replace(':', '-');
    const entry = { mediaType: OCI_IMAGE, digest: signature.digest, size: signature.manifest.length };
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] };
    upstream.putManifest('a', fallback, Buffer.from(JSON.stringify(index)), OCI_INDEX);
    const client = await start();
    for (let times = 0; times < 2; times += 1) {
      const found = await referrersOf(await client.get(PATH));
      expect(found.map(({ digest, artifactType }) => [digest, artifactType])).toEqual([
        [signature.digest, SIGNATURE],
      ]);
    }
    expect(upstream.requests).toHaveLength(3);
  });

  test('of what nobody speaks of are none, and the upstream is asked once', async () => {
    const client = await start();
    for (let times = 0; times < 3; times += 1) expect(await referrersOf(await client.get(PATH))).toEqual([]);
    expect(upstream.requests).toHaveLength(2);
  });
});

test('the tag under which a client keeps a signature comes through like any other', async () => {
  const tag = `${image.digest.replace(':', '-')}.sig`;
  upstream.put('a', tag, signature);
  const client = await start();
  const answer = await client.get(`quay.io/a/manifests/${tag}`);
  expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([200, signature.digest]);
});
