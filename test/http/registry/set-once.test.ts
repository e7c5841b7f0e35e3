/** Tags that are set once, and pushes that expect something of a tag. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { codesOf, imageOf, OCI_IMAGE, RegistryClient } from '../../fixtures/registry-client.js';

const IMAGES = Array.from({ length: 12 }, (_, index) =>
  imageOf(['one layer for all'], { annotations: { index: String(index) } }),
);
const [ONE, TWO] = [image(0), image(1)];

let depot: LiveDepot;
let client: RegistryClient;
beforeAll(async () => {
  const settings = { 'registry.delete': true, 'registry.immutableTags': ['v*', 'prod/**:release-*'] };
  depot = await startLiveDepot({ settings });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterAll(() => depot.remove());

function image(index: number) {
  const found = IMAGES[index];
  if (found === undefined) throw new Error('no such image');
  return found;
}

/** Pushes a manifest whose blobs are there. */
function put(
  path: string,
  { manifest }: { readonly manifest: Buffer },
  headers: Record<string, string> = {},
) {
  return client.ask('PUT', path, manifest, { 'Content-Type': OCI_IMAGE, ...headers });
}

async function digestAt(path: string): Promise<string | null> {
  return (await client.ask('HEAD', path)).headers.get('docker-content-digest');
}

describe('a tag that is set once', () => {
  test('is set again to what it has, and to nothing else', async () => {
    await client.push('once/a', 'v1', ONE);
    expect((await put('once/a/manifests/v1', ONE)).status).toBe(201);
    const answer = await put('once/a/manifests/v1', TWO);
    expect([answer.status, await codesOf(answer)]).toEqual([403, ['DENIED']]);
    expect(await digestAt('once/a/manifests/v1')).toBe(ONE.digest);
    expect(await digestAt(`once/a/manifests/${TWO.digest}`)).toBeNull();
  });

  test('is not moved by ?tag= either, nor are the other tags set then', async () => {
    await client.push('once/b', 'v1', ONE);
    expect((await put(`once/b/manifests/${TWO.digest}?tag=latest&tag=v1`, TWO)).status).toBe(403);
    expect(await digestAt('once/b/manifests/latest')).toBeNull();
  });

  test('is not removed, nor is the manifest that it has', async () => {
    await client.push('once/c', 'v1', ONE);
    await client.push('once/c', 'latest', ONE);
    for (const reference of ['v1', ONE.digest]) {
      const answer = await client.ask('DELETE', `once/c/manifests/${reference}`);
      expect([answer.status, await codesOf(answer)]).toEqual([403, ['DENIED']]);
    }
    for (const tag of ['v1', 'latest']) expect(await digestAt(`once/c/manifests/${tag}`)).toBe(ONE.digest);
    expect((await client.ask('DELETE', 'once/c/manifests/latest')).status).toBe(202);
  });

  test('may be for some repositories alone; all others move as they like', async () => {
    for (const [name, tag, status] of [
      ['prod/x/y', 'release-1', 403],
      ['test/x', 'release-1', 201],
      ['prod/x', 'latest', 201],
    ] as const) {
      await client.push(name, tag, ONE);
      expect((await put(`${name}/manifests/${tag}`, TWO)).status).toBe(status);
    }
  });

  test('has one winner where many push at once', async () => {
    await client.push('once/d', 'latest', ONE);
    for (const round of ['v1', 'v2', 'v3']) {
      const answers = await Promise.all(IMAGES.map((each) => put(`once/d/manifests/${round}`, each)));
      const winners = IMAGES.filter((_, index) => answers[index]?.status === 201);
      expect(winners.map(({ digest }) => digest)).toEqual([await digestAt(`once/d/manifests/${round}`)]);
      expect(answers.filter(({ status }) => status === 403).length).toBe(IMAGES.length - 1);
    }
  });
});

describe('a push that expects', () => {
  const ifMatch = (...digests: string[]) => ({ 'If-Match': digests.map((each) => `"${each}"`).join(', ') });
  const NONE = { 'If-None-Match': '*' };

  test.each<[string, Record<string, string>, there: boolean, status: number]>([
    ['the digest that is there', ifMatch(ONE.digest), true, 201],
    ['one of several', ifMatch(TWO.digest, ONE.digest), true, 201],
    ['another digest', ifMatch(TWO.digest), true, 412],
    ['a digest where nothing is', ifMatch(ONE.digest), false, 412],
    ['something', { 'If-Match': '*' }, true, 201],
    ['something where nothing is', { 'If-Match': '*' }, false, 412],
    ['nothing', NONE, false, 201],
    ['nothing where something is', NONE, true, 412],
    ['what cannot be read', { 'If-Match': 'latest' }, true, 400],
  ])('%s', async (what, headers, there, status) => {
    const name = `expect/${what.replaceAll(' ', '-')}`;
    await client.push(name, 'other', ONE);
    if (there) await client.push(name, 'tag', ONE);
    const answer = await put(`${name}/manifests/tag`, TWO, headers);
    expect(answer.status).toBe(status);
    if (status === 412) expect(await codesOf(answer)).toEqual(['PRECONDITION_FAILED']);
    const kept = there ? ONE.digest : null;
    expect(await digestAt(`${name}/manifests/tag`)).toBe(status === 201 ? TWO.digest : kept);
  });

  test('a manifest by its digest', async () => {
    await client.push('expect/digest', 'tag', ONE);
    expect((await put(`expect/digest/manifests/${ONE.digest}`, ONE, NONE)).status).toBe(412);
    expect((await put(`expect/digest/manifests/${TWO.digest}`, TWO, NONE)).status).toBe(201);
  });

  test('what many others expect too is the one that gets it', async () => {
    await client.push('expect/race', 'tag', ONE);
    const others = IMAGES.slice(1);
    const answers = await Promise.all(
      others.map((each) => put('expect/race/manifests/tag', each, ifMatch(ONE.digest))),
    );
    const winners = others.filter((_, index) => answers[index]?.status === 201);
    expect(winners.map(({ digest }) => digest)).toEqual([await digestAt('expect/race/manifests/tag')]);
  });
});

test.each([['v[1'], ['prod/**:'], ['Prod:v1'], ['v1/x:y:z']])(
  'the pattern %s is refused at the start',
  async (pattern) => {
    const error = await startLiveDepot({ settings: { 'registry.immutableTags': [pattern] } }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('a pattern of tags'),
    });
  },
);
