/**
 * What rkt 1.30.0 asks, point by point and named by number: 1 to 34 of the server, 35 to 47 of signer and keys, 48 to
 * 52 of archives. The requests are what that client sends: `User-Agent`, `Accept-Encoding: gzip` on a GET without a
 * range, and nothing else.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Answer, ask, assetsApp, scratchFolder, startServer } from '../fixtures/assets-server.js';
import { type RunningDepot, startDepot } from '../fixtures/running-depot.js';

const { dir, remove } = scratchFolder();
const ACI = 'coreos-hyperkube:v1.3.6_coreos.0.aci';
const U = `/assets/${ACI}`;
const IMAGE = gzipSync(randomBytes(300_000));
const L = IMAGE.length;
const SIGNATURE = Buffer.from('-----BEGIN PGP SIGNATURE-----\n');
const MODIFIED = new Date('2024-05-06T07:08:09.500Z');

let depot: RunningDepot;

function put(name: string, content: Buffer): void {
  writeFileSync(join(dir, name), content);
  utimesSync(join(dir, name), MODIFIED, MODIFIED);
}

beforeAll(async () => {
  mkdirSync(dir);
  put(ACI, IMAGE);
  put(`${ACI}.asc`, SIGNATURE);
  depot = await startDepot(['--assets', dir, '--keys', join(dir, '../keys')]);
});

afterAll(async () => {
  await depot.stop();
  remove();
});

/** Asks as rkt does: Go's client offers gzip by itself, but not on HEAD and not with a range. */
function rkt(
  path: string,
  headers: Record<string, string | string[]> = {},
  { method = 'GET', port = depot.port } = {},
): Promise<Answer> {
  const encoding = method === 'GET' && !('Range' in headers) ? { 'Accept-Encoding': 'gzip' } : {};
  return ask(port, path, { method, headers: { 'User-Agent': 'rkt/1.30.0', ...encoding, ...headers } });
}

const head = (path: string, headers: Record<string, string> = {}) => rkt(path, headers, { method: 'HEAD' });
const etagOf = (answer: Answer): string => String(answer.headers.etag);

describe('the server', () => {
  test('1. GET U is 200 with the exact bytes of the file', async () => {
    const answer = await rkt(U);
    expect(answer.status).toBe(200);
    expect(answer.body.equals(IMAGE)).toBe(true);
  });

  test('2. GET U.asc is 200 with the signature file', async () => {
    const answer = await rkt(`${U}.asc`);
    expect([answer.status, answer.body]).toEqual([200, SIGNATURE]);
  });

  test('3. a literal colon and %3A give the same bytes, ETag and Last-Modified', async () => {
    const literal = await rkt(U);
    for (const spelling of ['%3A', '%3a']) {
      const encoded = await rkt(U.replace(':', spelling));
      expect(encoded.body.equals(literal.body)).toBe(true);
      expect(etagOf(encoded)).toBe(etagOf(literal));
      expect(encoded.headers['last-modified']).toBe(literal.headers['last-modified']);
    }
  });

  test('4. a query changes nothing', async () => {
    for (const path of [U, `${U}.asc`]) {
      const [plain, queried] = [await rkt(path), await rkt(`${path}?x=1&y=a:b`)];
      expect([queried.status, etagOf(queried)]).toEqual([200, etagOf(plain)]);
      expect(queried.body.equals(plain.body)).toBe(true);
    }
  });

  test.each([
    ['5. a missing .asc', '/assets/other:v1.aci.asc'],
    ['6. a missing .aci', '/assets/other:v1.aci'],
  ])('%s is 404, no page and no redirect', async (_, path) => {
    const answer = await rkt(path);
    expect([answer.status, answer.headers.location, answer.body.toString()]).toEqual([
      404,
      undefined,
      'not found\n',
    ]);
  });

  const described = [
    ['the image', U, L],
    ['12. the signature', `${U}.asc`, SIGNATURE.length],
  ] as const;
  describe.each(described)('of %s', (_, path, length) => {
    test('7. HEAD is 200 with the headers of GET and no body', async () => {
      const [answer, got] = [await head(path), await rkt(path)];
      const { date: _date, connection: _connection, ...expected } = got.headers;
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject(expected);
      expect(answer.body).toHaveLength(0);
    });

    test('8. HEAD has exactly one Accept-Ranges: bytes', async () => {
      const { rawHeaders } = await head(path);
      expect(rawHeaders.filter((__, index) => /^accept-ranges$/i.test(rawHeaders[index - 1] ?? ''))).toEqual([
        'bytes',
      ]);
    });

    test('9. HEAD and GET have the exact Content-Length', async () => {
      for (const answer of [await head(path), await rkt(path)]) {
        expect(answer.headers['content-length']).toBe(String(length));
        expect(answer.headers['transfer-encoding']).toBeUndefined();
      }
    });

    test('10. Last-Modified has the one form that Go reads', async () => {
      expect((await head(path)).headers['last-modified']).toBe('Mon, 06 May 2024 07:08:09 GMT');
    });

    test('13. the ETag is strong', async () => {
      expect(etagOf(await head(path))).toMatch(/^"[^"]+"$/);
    });
  });

  test('11. Last-Modified is the time of the file, and never in the future', async () => {
    put('future.aci', IMAGE);
    const tomorrow = new Date(Date.now() + 86_400_000);
    utimesSync(join(dir, 'future.aci'), tomorrow, tomorrow);
    const { headers } = await head('/assets/future.aci');
    expect(Date.parse(String(headers['last-modified']))).toBeLessThan(Date.now() + 1000);
  });

  test('14. the ETag changes with the bytes, even at equal size and second', async () => {
    put('changing.aci', IMAGE);
    const before = etagOf(await head('/assets/changing.aci'));
    put('changing.aci', Buffer.alloc(L, 'x'));
    expect(etagOf(await head('/assets/changing.aci'))).not.toBe(before);
  });

  test('15. ETag and Last-Modified are the same from another process', async () => {
    const other = await startDepot(['--assets', dir, '--keys', join(dir, '../keys')]);
    const [here, there] = [await rkt(U), await rkt(U, {}, { port: other.port })];
    await other.stop();
    expect(etagOf(there)).toBe(etagOf(here));
    expect(there.headers['last-modified']).toBe(here.headers['last-modified']);
  });

  test('16. If-None-Match with the stored ETag is 304 without a body, also with a Range', async () => {
    const etag = etagOf(await rkt(U));
    for (const range of [{}, { Range: 'bytes=10-' }, { Range: `bytes=${L}-` }]) {
      const answer = await rkt(U, { 'If-None-Match': etag, ...range });
      expect([answer.status, etagOf(answer), answer.body.length]).toEqual([304, etag, 0]);
    }
    expect((await head(U, { 'If-None-Match': etag })).status).toBe(304);
  });

  test('17. a stale ETag is 200 with the new bytes', async () => {
    put('fresh.aci', Buffer.from('old'));
    const etag = etagOf(await rkt('/assets/fresh.aci'));
    put('fresh.aci', Buffer.from('new'));
    const answer = await rkt('/assets/fresh.aci', { 'If-None-Match': etag });
    expect([answer.status, answer.body.toString()]).toEqual([200, 'new']);
  });

  test('18. a request without a condition is never answered 304', async () => {
    for (let round = 0; round < 5; round += 1) expect((await rkt(U)).status).toBe(200);
  });

  test('19. Range: bytes=10- is 206 with the right Content-Range and L-10 bytes', async () => {
    const answer = await rkt(U, { Range: 'bytes=10-' });
    expect([answer.status, answer.headers['content-range']]).toEqual([206, `bytes 10-${L - 1}/${L}`]);
    expect(answer.headers['content-length']).toBe(String(L - 10));
    expect(answer.body.equals(IMAGE.subarray(10))).toBe(true);
  });

  test('20. Range: bytes=L- is 416 with Content-Range: bytes */L', async () => {
    for (const [path, length] of [
      [U, L],
      [`${U}.asc`, SIGNATURE.length],
    ] as const) {
      const answer = await rkt(path, { Range: `bytes=${length}-` });
      expect([answer.status, answer.headers['content-range']]).toEqual([416, `bytes */${length}`]);
    }
  });

  test('21. two equal Range lines are 206 with one part', async () => {
    const answer = await rkt(U, { Range: ['bytes=10-', 'bytes=10-'] });
    expect([answer.status, answer.headers['content-range']]).toEqual([206, `bytes 10-${L - 1}/${L}`]);
    expect(answer.body.equals(IMAGE.subarray(10))).toBe(true);
  });

  test('22. Accept-Encoding: gzip brings no Content-Encoding, also for an uncompressed image', async () => {
    put('plain.aci', Buffer.alloc(100_000, 'plain'));
    for (const path of [U, '/assets/plain.aci']) {
      expect((await rkt(path)).headers['content-encoding']).toBeUndefined();
    }
    expect((await rkt('/assets/plain.aci')).body).toHaveLength(100_000);
  });

  test('23. nor for a signature', async () => {
    expect((await rkt(`${U}.asc`)).headers['content-encoding']).toBeUndefined();
  });

  test('24. there is no max-age unless a rule gives one', async () => {
    for (const path of [U, `${U}.asc`]) expect((await rkt(path)).headers['cache-control']).toBe('no-cache');
  });

  test('26. a signature that is being made is 202, then 200; the image is never 202', async () => {
    let state: 'pending' | 'settled' = 'pending';
    const signatureState = (name: string) => (name === `${ACI}.asc` ? state : 'settled');
    const { port, stop } = await startServer(assetsApp(dir, { signatureState }));
    expect((await rkt(`${U}.asc`, {}, { port })).status).toBe(202);
    expect((await rkt(U, {}, { port })).status).toBe(200);
    state = 'settled';
    expect((await rkt(`${U}.asc`, {}, { port })).body).toEqual(SIGNATURE);
    await stop();
  });

  test('27. a file that is renamed into place while it is fetched is whole, old or new', async () => {
    const contents = ['a', 'b', 'c'].map((letter) => Buffer.alloc(2_000_000, letter));
    const whole = new Set(contents.map((content) => createHash('sha256').update(content).digest('hex')));
    put('moving.aci', contents[0] ?? IMAGE);
    for (let round = 0; round < 10; round += 1) {
      const fetches = Array.from({ length: 5 }, () => rkt('/assets/moving.aci'));
      put('.moving', contents[round % 3] ?? IMAGE);
      renameSync(join(dir, '.moving'), join(dir, 'moving.aci'));
      for (const { status, body } of await Promise.all(fetches)) {
        expect([status, whole.has(createHash('sha256').update(body).digest('hex'))]).toEqual([200, true]);
      }
    }
  });

  test('28. where a redirect ends, HEAD, Range and ETag work', async () => {
    mkdirSync(join(dir, 'folder:1'));
    put(`folder:1/${ACI}`, IMAGE);
    const redirect = await rkt('/assets/folder:1');
    expect([redirect.status, redirect.headers.location]).toEqual([301, '/assets/folder%3A1/']);
    const target = `${redirect.headers.location}${ACI}`;
    const etag = etagOf(await head(target));
    expect((await rkt(target, { Range: ['bytes=10-', 'bytes=10-'] })).status).toBe(206);
    expect((await rkt(target, { 'If-None-Match': etag })).status).toBe(304);
  });

  test('29. and 30. plain http without credentials and without Accept is served', async () => {
    const answer = await ask(depot.port, U, { headers: { 'User-Agent': 'rkt/1.30.0' } });
    expect(answer.status).toBe(200);
  });

  test('31. two fetches at once finish, each with all bytes', async () => {
    const answers = await Promise.all([rkt(U), rkt(U), rkt(`${U}.asc`), rkt(`${U}.asc`)]);
    expect(answers.map(({ body }) => body.length)).toEqual([L, L, SIGNATURE.length, SIGNATURE.length]);
  });

  test('32. nothing leaves the assets', async () => {
    writeFileSync(join(dir, '../secret'), 'secret');
    symlinkSync('../secret', join(dir, 'link'));
    const outside = [
      '..',
      '%2e%2e',
      '.%2e',
      '%2e%2e%2fx%2f..',
      '..%2f.',
      'x/../..',
      '%252e%252e',
      '..%5c',
      '..%00',
    ];
    for (const way of outside) {
      for (const path of [`/assets/${way}/secret`, `/assets/${way}%2fsecret`, `/assets//${way}/secret`]) {
        const { status, body } = await rkt(path);
        expect([400, 404]).toContain(status);
        expect(body.toString()).not.toContain('secret');
      }
    }
    expect((await rkt('/assets/link')).status).toBe(404);
  });

  test('34. no discovery page is offered', async () => {
    expect((await rkt('/coreos/hyperkube?ac-discovery=1')).status).toBe(404);
  });
});

describe('the client resumes', () => {
  test('a partial image: HEAD, then the rest with a range', async () => {
    const promised = await head(U);
    expect([promised.status, promised.headers['accept-ranges']]).toEqual([200, 'bytes']);
    const partial = IMAGE.subarray(0, 1234);
    const rest = await rkt(U, { Range: `bytes=${partial.length}-` });
    expect(rest.status).toBe(206);
    expect(Buffer.concat([partial, rest.body]).equals(IMAGE)).toBe(true);
  });

  test('a complete left-over signature: 416, then the whole again', async () => {
    expect((await head(`${U}.asc`)).status).toBe(200);
    expect((await rkt(`${U}.asc`, { Range: `bytes=${SIGNATURE.length}-` })).status).toBe(416);
    expect((await rkt(`${U}.asc`)).body).toEqual(SIGNATURE);
  });

  test('and the assets folder is as it was', () => {
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(statSync(join(dir, ACI)).size).toBe(L);
  });
});
