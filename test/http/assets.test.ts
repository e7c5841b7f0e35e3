/** Every status and header of `/assets`, file by file. */
import { existsSync, mkdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Express } from 'express';
import request from 'supertest';
import type { HotFiles } from '../../server/http/hot-files.js';
import { etagOf } from '../../server/index.js';
import { ask, assetsApp, type RunningServer, scratchFolder, startServer } from '../fixtures/assets-server.js';

const { dir, remove } = scratchFolder();
const ACI = 'coreos-hyperkube:v1.3.6_coreos.0.aci';
const BYTES = Buffer.from('0123456789'.repeat(10));
const MODIFIED = new Date('2024-05-06T07:08:09.750Z');
const LAST_MODIFIED = 'Mon, 06 May 2024 07:08:09 GMT';
const EARLIER = 'Mon, 06 May 2024 07:08:08 GMT';
const LATER = 'Mon, 06 May 2024 07:08:10 GMT';

let app: Express;
let server: RunningServer;
let etag: string;

function put(name: string, content: string | Buffer = BYTES): void {
  const path = join(dir, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  utimesSync(path, MODIFIED, MODIFIED);
}

beforeAll(async () => {
  put(ACI);
  put('empty.img', '');
  put('page.html', '<script>alert(1)</script>');
  put('sub/folder:a/file.txt', 'text\n');
  put('.hidden');
  put('.bootdepot-1-0123456789ab.tmp');
  etag = etagOf(statSync(join(dir, ACI)));
  app = assetsApp(dir);
  server = await startServer(app);
});

afterAll(async () => {
  await server.stop();
  remove();
});

const get = (path: string, headers: Record<string, string> = {}) =>
  request(app).get(path).set(headers).buffer();
const getAci = (headers: Record<string, string> = {}) => get(`/assets/${ACI}`, headers);

describe('a file', () => {
  test('is sent as it is, with everything a client needs to keep and to resume it', async () => {
    const answer = await getAci({ 'Accept-Encoding': 'gzip' });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(BYTES);
    expect(answer.headers).toMatchObject({
      'accept-ranges': 'bytes',
      'cache-control': 'no-cache',
      'content-length': '100',
      'content-type': 'application/octet-stream',
      etag,
      'last-modified': LAST_MODIFIED,
      'x-content-type-options': 'nosniff',
    });
    expect(answer.headers).not.toHaveProperty('content-encoding');
    expect(answer.headers).not.toHaveProperty('x-powered-by');
    expect(answer.headers).not.toHaveProperty('server');
  });

  test('has a strong entity tag', () => {
    expect(etag).toMatch(/^"[\w-]+"$/);
  });

  test('of no bytes is sent', async () => {
    const answer = await get('/assets/empty.img');
    expect([answer.status, answer.headers['content-length'], answer.body]).toEqual([
      200,
      '0',
      Buffer.alloc(0),
    ]);
  });

  test('is described by HEAD with the headers of GET', async () => {
    const { date: _date, ...expected } = (await getAci()).headers;
    const head = await request(app).head(`/assets/${ACI}`);
    expect(head.status).toBe(200);
    expect(head.headers).toMatchObject(expected);
    expect(head.text).toBeUndefined();
  });

  test('that a browser would run scripts of is sandboxed', async () => {
    expect((await get('/assets/page.html')).headers['content-security-policy']).toBe('sandbox');
  });

  test('is answered on a kept connection, one after the other', async () => {
    const agent = request.agent(app);
    for (const path of [ACI, 'empty.img', 'missing', ACI]) {
      const answer = await agent.get(`/assets/${path}`).set('Connection', 'keep-alive');
      expect(answer.status).toBe(path === 'missing' ? 404 : 200);
    }
  });
});

describe('what is not there', () => {
  test.each([
    'missing',
    `${ACI}.asc`,
    `${ACI}/`,
    `${ACI}/x`,
    `${ACI}%2F`,
    '.hidden',
    'sub/.hidden/file',
    '.bootdepot-1-0123456789ab.tmp',
    'n'.repeat(256),
    'a\\b',
    'a%5Cb',
  ])('%s is 404 in a line of plain text', async (path) => {
    const answer = await ask(server.port, `/assets/${path}`);
    expect([answer.status, answer.headers['content-type'], answer.body.toString()]).toEqual([
      404,
      'text/plain; charset=utf-8',
      'not found\n',
    ]);
  });

  test.each(['%', '%zz', '%ff', 'a%00b', '%00'])('the malformed path %s is 400', async (path) => {
    const answer = await ask(server.port, `/assets/${path}`);
    expect([answer.status, answer.body.toString()]).toEqual([400, 'bad request\n']);
  });

  test('is 404 if the folder itself is missing', async () => {
    const answer = await request(assetsApp(join(dir, 'nowhere'))).get('/assets/x');
    expect(answer.status).toBe(404);
  });
});

test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])(
  '%s is 405 and says what is allowed',
  async (method) => {
    for (const path of [ACI, 'missing', '']) {
      const answer = await ask(server.port, `/assets/${path}`, { method });
      expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
    }
    expect(existsSync(join(dir, ACI))).toBe(true);
  },
);

describe('conditions', () => {
  const cases: [string, () => Record<string, string>, number][] = [
    ['If-None-Match with the tag', () => ({ 'If-None-Match': etag }), 304],
    ['If-None-Match with the weak form of the tag', () => ({ 'If-None-Match': `W/${etag}` }), 304],
    ['If-None-Match with a list that has the tag', () => ({ 'If-None-Match': `"x",\t${etag}` }), 304],
    ['If-None-Match with *', () => ({ 'If-None-Match': '*' }), 304],
    ['If-None-Match with another tag', () => ({ 'If-None-Match': '"x"' }), 200],
    [
      'If-None-Match before If-Modified-Since',
      () => ({ 'If-None-Match': '"x"', 'If-Modified-Since': LATER }),
      200,
    ],
    ['If-None-Match under no-cache', () => ({ 'If-None-Match': etag, 'Cache-Control': 'no-cache' }), 304],
    ['If-None-Match with a Range', () => ({ 'If-None-Match': etag, Range: 'bytes=10-' }), 304],
    ['If-Modified-Since the same second', () => ({ 'If-Modified-Since': LAST_MODIFIED }), 304],
    ['If-Modified-Since later', () => ({ 'If-Modified-Since': LATER }), 304],
    ['If-Modified-Since earlier', () => ({ 'If-Modified-Since': EARLIER }), 200],
    ['If-Modified-Since in an old form', () => ({ 'If-Modified-Since': 'Mon May  6 07:08:09 2024' }), 304],
    ['If-Modified-Since that is no HTTP date', () => ({ 'If-Modified-Since': '2030-01-01' }), 200],
    ['If-Match with the tag', () => ({ 'If-Match': `"x", ${etag}` }), 200],
    ['If-Match with *', () => ({ 'If-Match': '*' }), 200],
    ['If-Match with the weak form of the tag', () => ({ 'If-Match': `W/${etag}` }), 412],
    ['If-Match with another tag', () => ({ 'If-Match': '"x"' }), 412],
    [
      'If-Match before If-Unmodified-Since',
      () => ({ 'If-Match': etag, 'If-Unmodified-Since': EARLIER }),
      200,
    ],
    ['If-Match before If-None-Match', () => ({ 'If-Match': '"x"', 'If-None-Match': etag }), 412],
    ['If-Match, then If-None-Match', () => ({ 'If-Match': etag, 'If-None-Match': etag }), 304],
    ['If-Unmodified-Since the same second', () => ({ 'If-Unmodified-Since': LAST_MODIFIED }), 200],
    ['If-Unmodified-Since earlier', () => ({ 'If-Unmodified-Since': EARLIER }), 412],
    [
      'If-Unmodified-Since before a Range',
      () => ({ 'If-Unmodified-Since': EARLIER, Range: 'bytes=0-1' }),
      412,
    ],
    ['If-Unmodified-Since that is no HTTP date', () => ({ 'If-Unmodified-Since': '2020-01-01' }), 200],
    ['If-Range with the tag', () => ({ 'If-Range': etag, Range: 'bytes=10-' }), 206],
    ['If-Range with the weak form of the tag', () => ({ 'If-Range': `W/${etag}`, Range: 'bytes=10-' }), 200],
    ['If-Range with another tag', () => ({ 'If-Range': '"x"', Range: 'bytes=10-' }), 200],
    ['If-Range with the date', () => ({ 'If-Range': LAST_MODIFIED, Range: 'bytes=10-' }), 206],
    ['If-Range with a later date', () => ({ 'If-Range': LATER, Range: 'bytes=10-' }), 200],
    [
      'If-Range that fails before a Range beyond the end',
      () => ({ 'If-Range': '"x"', Range: 'bytes=100-' }),
      200,
    ],
    ['If-Range without a Range', () => ({ 'If-Range': '"x"' }), 200],
  ];

  test.each(cases)('%s', async (_, headers, status) => {
    const answer = await getAci(headers());
    expect(answer.status).toBe(status);
    if (status === 200) expect(answer.body).toEqual(BYTES);
    if (status === 206) expect(answer.body).toEqual(BYTES.subarray(10));
    if (status === 304) {
      expect(answer.headers).toMatchObject({
        etag,
        'last-modified': LAST_MODIFIED,
        'cache-control': 'no-cache',
      });
      expect(answer.text).toBe('');
    }
    if (status === 412) expect(answer.text).toBe('precondition failed\n');
  });

  test('hold for HEAD as for GET', async () => {
    const head = (headers: Record<string, string>) => request(app).head(`/assets/${ACI}`).set(headers);
    expect((await head({ 'If-None-Match': etag })).status).toBe(304);
    expect((await head({ 'If-Match': '"x"' })).status).toBe(412);
  });
});

describe('the Last-Modified of a file', () => {
  test('from the future is the present', async () => {
    const future = new Date(Date.now() + 86_400_000);
    put('future.img');
    utimesSync(join(dir, 'future.img'), future, future);
    const { headers } = await get('/assets/future.img');
    expect(Date.parse(String(headers['last-modified']))).toBeLessThanOrEqual(
      Date.parse(String(headers.date)) + 1000,
    );
  });

  test('just before a full second is rounded down', async () => {
    put('late.img');
    utimesSync(join(dir, 'late.img'), 1_700_000_000.9999995, 1_700_000_000.9999995);
    const { headers } = await get('/assets/late.img');
    expect(headers['last-modified']).toBe(new Date(1_700_000_000_000).toUTCString());
  });
});

test('bytes that change under the same size and time change the entity tag', async () => {
  put('changing.img', 'one');
  const before = (await get('/assets/changing.img')).headers;
  put('changing.img', 'two');
  const after = await get('/assets/changing.img', { 'If-None-Match': String(before.etag) });
  expect(after.status).toBe(200);
  expect(after.body.toString()).toBe('two');
  expect(after.headers['last-modified']).toBe(before['last-modified']);
  expect(after.headers.etag).not.toBe(before.etag);
});

describe('a folder without its slash', () => {
  test.each([
    ['/assets', '/assets/'],
    ['/assets?m=52:54', '/assets/?m=52%3A54'],
    ['/assets/sub', '/assets/sub/'],
    ['/assets/sub/folder:a', '/assets/sub/folder%3Aa/'],
    ['/assets/sub/folder%3Aa?x=y:z&"', '/assets/sub/folder%3Aa/?x=y%3Az&%22'],
    ['/assets//evil.example/../sub', '/assets/sub/'],
    ['/assets/sub/.', '/assets/sub/'],
    ['/assets/sub/folder%3Aa/..', '/assets/sub/'],
    ['/assets/sub%2F', '/assets/sub/'],
  ])('%s redirects to %s', async (path, location) => {
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(server.port, path, { method });
      expect([answer.status, answer.headers.location]).toEqual([301, location]);
    }
  });

  test('redirects within the same host when asked in absolute form', async () => {
    const answer = await ask(server.port, 'http://other.example/assets/sub?a:b');
    expect([answer.status, answer.headers.location]).toEqual([301, '/assets/sub/?a%3Ab']);
    const file = await ask(server.port, `http://other.example/assets/${ACI}`);
    expect(file.body).toEqual(BYTES);
  });
});

describe('Cache-Control', () => {
  const cache = [
    { glob: 'stable/**', control: 'public, max-age=60' },
    { glob: '**/*.aci', control: 'public, max-age=31536000, immutable' },
  ];

  test('follows the first rule whose glob matches, also on 304 and 206', async () => {
    put('stable/x.aci');
    put('other/deep/y:1.aci');
    const ruled = assetsApp(dir, { cache });
    const controlOf = async (path: string, headers: Record<string, string> = {}) =>
      (await request(ruled).get(`/assets/${path}`).set(headers)).headers['cache-control'];
    expect(await controlOf('stable/x.aci')).toBe('public, max-age=60');
    expect(await controlOf('other/deep/y:1.aci')).toBe('public, max-age=31536000, immutable');
    expect(await controlOf(ACI, { Range: 'bytes=0-1' })).toBe('public, max-age=31536000, immutable');
    expect(await controlOf(ACI, { 'If-None-Match': etag })).toBe('public, max-age=31536000, immutable');
    expect(await controlOf('sub/folder%3Aa/file.txt')).toBe('no-cache');
  });

  test('of a rule is not kept for a refusal', async () => {
    const ruled = assetsApp(dir, { cache });
    const refused = await request(ruled).get(`/assets/${ACI}`).set('Range', 'bytes=100-');
    expect([refused.status, refused.headers['cache-control']]).toEqual([416, 'no-cache']);
  });

  test('that no header may hold is refused at the start', () => {
    expect(() => assetsApp(dir, { cache: [{ glob: '**', control: 'a\nb' }] })).toThrow(/assets\.cache/);
  });
});

describe('a signature that is being made', () => {
  test('is 202 with a time to wait, and the file itself is served', async () => {
    const pending = assetsApp(dir, {
      signatureState: (name) => (name === `${ACI}.asc` ? 'pending' : 'settled'),
    });
    const answer = await request(pending).get(`/assets/${ACI.replace(':', '%3A')}.asc?x=1`);
    expect([answer.status, answer.headers['retry-after']]).toEqual([202, '1']);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect((await request(pending).head(`/assets/${ACI}.asc`)).status).toBe(202);
    expect((await request(pending).get(`/assets/${ACI}`)).status).toBe(200);
  });
});

describe('a file of another user', () => {
  test('is 403 in plain text, as is the listing of such a folder', async () => {
    const mode = { mode: 0o000 };
    writeFileSync(join(dir, 'secret.img'), 'x', mode);
    mkdirSync(join(dir, 'secret'), mode);
    const restore = becomeOrdinaryUser();
    try {
      for (const path of ['secret.img', 'secret/']) {
        const answer = await ask(server.port, `/assets/${path}`);
        expect([answer.status, answer.body.toString()]).toEqual([403, 'forbidden\n']);
      }
    } finally {
      restore();
    }
  });
});

/** Gives up what root may do for a while: the tests may run as root, whom no mode stops. */
function becomeOrdinaryUser(): () => void {
  const { geteuid, seteuid } = process;
  if (geteuid === undefined || seteuid === undefined || geteuid() !== 0) return () => undefined;
  seteuid(65_534);
  return () => seteuid(0);
}

test('the names of boot files survive the way', async () => {
  const names = [
    'a+b.img',
    'c@d~e.img',
    'with space.img',
    'per%cent.img',
    'que?stion#hash.img',
    'quo\'te"s&amp;.img',
    'gr\u00f6\u00dfe.img',
    'gro\u0308\u00dfe.img',
    '\u{1f680}.img',
    `${'n'.repeat(251)}.img`,
    `${'\u00fc'.repeat(127)}x`,
    'a..b',
    '~',
    '-',
  ];
  for (const name of names) put(`names/${name}`, name);
  for (const name of names) {
    const answer = await ask(server.port, `/assets/names/${encodeURIComponent(name)}?v=1`);
    expect([answer.status, answer.body.toString()]).toEqual([200, name]);
  }
});

describe('links', () => {
  test('are followed inside the folder, and outside it only if that is allowed', async () => {
    writeFileSync(join(dir, '../outside.img'), 'outside');
    mkdirSync(join(dir, '../outside'), { recursive: true });
    writeFileSync(join(dir, '../outside/x.img'), 'outside');
    put('links/target.img', 'inside');
    symlinkSync('target.img', join(dir, 'links/inside.img'));
    symlinkSync('../..//outside.img', join(dir, 'links/outside.img'));
    symlinkSync(join(dir, '../outside'), join(dir, 'links/outside'));
    symlinkSync('loop', join(dir, 'links/loop'));
    const follow = assetsApp(dir, { symlinks: 'follow' });
    const statuses = async (by: Express) =>
      Promise.all(
        ['inside.img', 'outside.img', 'outside/x.img', 'loop'].map(
          async (name) => (await request(by).get(`/assets/links/${name}`)).status,
        ),
      );
    expect(await statuses(app)).toEqual([200, 404, 404, 404]);
    expect(await statuses(follow)).toEqual([200, 200, 200, 404]);
  });

  test('never lead to the keys, wherever links may end', async () => {
    const keysDir = join(dir, '../keys');
    mkdirSync(keysDir, { recursive: true });
    writeFileSync(join(keysDir, 'signing-key.asc'), 'secret');
    symlinkSync(keysDir, join(dir, 'linked-keys'));
    symlinkSync(join(keysDir, 'signing-key.asc'), join(dir, 'linked-key.asc'));
    for (const symlinks of ['inside', 'follow'] as const) {
      const guarded = assetsApp(dir, { symlinks, keysDir });
      for (const path of ['linked-key.asc', 'linked-keys/', 'linked-keys/signing-key.asc']) {
        const { status, text } = await request(guarded).get(`/assets/${path}`);
        expect({ path, status, text }).toEqual({ path, status: 404, text: 'not found\n' });
      }
    }
  });
});

describe('the memory for small files', () => {
  /** What is offered to the memory, by the request's method, status and file. */
  function recorder() {
    const offered: string[] = [];
    const hot: HotFiles = {
      answer: () => false,
      offer: (req, res, { path }, stats) =>
        offered.push(`${req.method} ${res.statusCode} ${path.slice(dir.length)} ${stats.size}`),
    };
    return { offered, hot };
  }

  test('is offered full answers, and no others', async () => {
    const { offered, hot } = recorder();
    const warm = assetsApp(dir, { hot });
    const path = `/assets/${ACI.replace(':', '%3A')}`;
    await request(warm).get(`${path}?x=1`);
    await request(warm).get(path).set('Range', 'bytes=0-1');
    await request(warm).get(path).set('Range', 'bytes=0-1,4-5');
    await request(warm).get(path).set('If-None-Match', etag);
    await request(warm).get(path).set('If-Match', '"x"');
    await request(warm).get('/assets/missing');
    await request(warm).get('/assets/sub/');
    expect(offered).toEqual([`GET 200 /${ACI} 100`]);
  });

  test('is not offered signatures where they may become pending', async () => {
    const { offered, hot } = recorder();
    put('signed.aci.asc');
    const signing = assetsApp(dir, { hot, signatureState: () => 'settled' });
    expect((await request(signing).get('/assets/signed.aci.asc')).status).toBe(200);
    expect((await request(signing).get('/assets/signed.aci%2Easc')).status).toBe(200);
    expect((await request(signing).get(`/assets/${ACI}`)).status).toBe(200);
    expect(offered).toEqual([`GET 200 /${ACI} 100`]);
  });
});
