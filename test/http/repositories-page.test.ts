/** The pages at `/` and `/repositories/NAME`: what is in the registry, for eyes in a browser and in curl. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import supertest from 'supertest';
import { createFailureHandler } from '../../server/http/failure.js';
import { homeRouter } from '../../server/http/home.js';
import { createLog, openRegistry } from '../../server/index.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { imageOf, RegistryClient } from '../fixtures/registry-client.js';

let depot: LiveDepot;
let ask: ReturnType<typeof supertest>;
beforeAll(async () => {
  depot = await startLiveDepot();
  ask = supertest(depot.urls[0] ?? '');
});
afterAll(() => depot.remove());

const IMAGE = imageOf(['a layer']);

/** The pages from the first to the last, by their links. */
async function follow(path: string): Promise<string[]> {
  const pages: string[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const { text }: { text: string } = await ask.get(next).expect(200);
    pages.push(text);
    next = /<a rel="next" href="([^"]+)">/.exec(text)?.[1];
  }
  return pages;
}

function namesIn(pages: readonly string[], form: RegExp): string[] {
  return pages.flatMap((page) => [...page.matchAll(form)].map(([, name = '']) => name));
}

const repositories = (name: string) =>
  join(depot.folder, 'data/registry/docker/registry/v2/repositories', name);

describe('the home page', () => {
  test('of an empty registry says how the first image is pushed', async () => {
    const { text } = await ask.get('/').set('Host', 'depot.lan:5000').expect(200);
    expect(text).toContain('docker push depot.lan:5000/NAME:TAG');
    expect(text).toContain(
      '--dest-tls-verify=false docker-archive:IMAGE.tar docker://depot.lan:5000/NAME:TAG',
    );
  });

  test('lists the repositories, a hundred on a page', async () => {
    const names = Array.from({ length: 250 }, (_, index) => `many/r${String(index).padStart(3, '0')}`);
    for (const name of names) await mkdir(join(repositories(name), '_manifests/tags'), { recursive: true });
    const pages = await follow('/');
    expect(pages).toHaveLength(3);
    expect(namesIn(pages, /<li><a href="\/repositories\/([^"]+)">/g)).toEqual(names);
    expect(pages[1]).toContain('<a href="/">first page</a>');
    expect(pages[0]).not.toContain('first page');
  });

  test.each(['/?last=', '/?last=zzz', '/?last=%3Cscript%3E', '/?last=%zz'])('takes %s', async (path) => {
    const { text } = await ask.get(path).expect(200);
    expect(text).not.toContain('<script>');
  });
});

describe('the page of a repository', () => {
  beforeAll(async () => {
    const client = new RegistryClient(depot.urls[0] ?? '');
    await client.push('team/app', 'v1', IMAGE);
    await client.push('team/app', 'v1.2_x-y', IMAGE);
  });

  test('has the commands that pull each tag, and its digest', async () => {
    const { text } = await ask.get('/repositories/team/app').set('Host', 'depot.lan:5000').expect(200);
    for (const line of [
      'docker pull depot.lan:5000/team/app:v1',
      `docker pull depot.lan:5000/team/app@${IMAGE.digest}`,
      'skopeo copy --src-tls-verify=false docker://depot.lan:5000/team/app:v1 dir:app-v1',
      'docker pull depot.lan:5000/team/app:v1.2_x-y',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toContain('insecure-registries');
  });

  test('speaks of the public address, over https without exceptions', async () => {
    const other = await startLiveDepot({ settings: { publicUrl: 'https://depot.example.com/' } });
    try {
      await new RegistryClient(other.urls[0] ?? '').push('app', 'v1', IMAGE);
      const { text } = await supertest(other.urls[0] ?? '')
        .get('/repositories/app')
        .expect(200);
      expect(text).toContain('\nskopeo copy docker://depot.example.com/app:v1 dir:app-v1\n');
      expect(text).not.toContain('insecure-registries');
    } finally {
      await other.remove();
    }
  });

  test('can do nothing but be read, and is asked for each time', async () => {
    const { headers } = await ask.get('/repositories/team/app').expect(200);
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': expect.stringMatching(/^default-src 'none'/),
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
    });
    await ask.post('/repositories/team/app').expect(405).expect('Allow', 'GET, HEAD');
  });

  test.each([
    ['/repositories/missing', 404],
    ['/repositories/a%22%3Cscript%3E', 400],
    ['/repositories/..%2f..%2fkeys', 400],
    ['/repositories/%zz', 400],
    ['/repositories/', 404],
    ['/repositories', 404],
  ])('%s is answered with %i in plain text', async (path, status) => {
    const answer = await ask.get(path).expect(status);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.text).not.toContain('<');
  });

  test.each(['<script>', 'evil"host'])('a strange Host %j does not get into it', async (host) => {
    const { text } = await ask.get('/repositories/team/app').set('Host', host).expect(200);
    expect(text).not.toContain(host);
    expect(text).toContain('docker pull HOST/team/app:v1');
  });

  test('shows 10,000 tags a hundred on a page, in order, from the first to the last', async () => {
    const tags = Array.from({ length: 10_000 }, (_, index) => `t${String(index).padStart(5, '0')}`);
    for (const tag of tags) {
      const folder = join(repositories('huge'), '_manifests/tags', tag, 'current');
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'link'), IMAGE.digest);
    }
    const shown = (pages: readonly string[]) => namesIn(pages, /^<h2>(.+)<\/h2>$/gm);
    const { text } = await ask.get('/repositories/huge').expect(200);
    expect(shown([text])).toEqual(tags.slice(0, 100));
    expect(text).toContain('<a rel="next" href="/repositories/huge?last=t00099">');
    expect(shown(await follow('/repositories/huge?last=t09750'))).toEqual(tags.slice(9_751));
    expect(text.length).toBeLessThan(64 * 1024);
  });
});

test('a repository that the client may not read is neither listed nor shown', async () => {
  const registry = await openRegistry({
    dir: join(depot.folder, 'other'),
    onDamage: () => undefined,
    freeSpace: 0,
  });
  for (const name of ['open', 'secret']) {
    await mkdir(join(depot.folder, `other/docker/registry/v2/repositories/${name}/_manifests/tags`), {
      recursive: true,
    });
  }
  const mayRead = (req: { headers: object }, name: string) =>
    name === 'open' || 'authorization' in req.headers;
  const { logger } = await createLog({ level: 'silent', format: 'json' });
  const routes = homeRouter({ registry, listing: true, mayRead });
  const app = supertest(express().use(routes).use(createFailureHandler(logger)));
  expect((await app.get('/').expect(200)).text).not.toContain('secret');
  expect((await app.get('/').set('Authorization', 'x')).text).toContain('/repositories/secret"');
  await app.get('/repositories/open').expect(200);
  const unreadable = await app.get('/repositories/secret').expect(404);
  expect(unreadable.text).toBe((await app.get('/repositories/missing').expect(404)).text);
});
