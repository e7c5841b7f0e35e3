import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import supertest from 'supertest';
import { createFailureHandler } from '../../server/http/failure.js';
import { createLog, DepotError } from '../../server/index.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';

let depot: LiveDepot;
let ask: ReturnType<typeof supertest>;

beforeAll(async () => {
  depot = await startLiveDepot();
  ask = supertest(depot.urls[0] ?? '');
});
afterAll(() => depot.remove());

describe('the home page', () => {
  test('says what is here, with the address the client used', async () => {
    const page = await ask.get('/').set('Host', 'depot.lan:8080').expect(200);
    expect(page.text).toContain('curl -fO http://depot.lan:8080/keys/pubkey.gpg');
    expect(page.text).toContain(
      'rkt trust --root --insecure-allow-http http://depot.lan:8080/keys/pubkey.asc',
    );
  });

  test('carries the headers that keep a page harmless, and no banner', async () => {
    const { headers } = await ask.get('/').expect(200);
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'/,
    );
    expect(headers).not.toHaveProperty('x-powered-by');
    expect(headers).not.toHaveProperty('server');
  });

  test.each(['<script>', 'a b', 'evil"host', '[::1'])(
    'a strange Host %j does not get into it',
    async (host) => {
      const page = await ask.get('/').set('Host', host).expect(200);
      expect(page.text).not.toContain(host);
      expect(page.text).toContain('http://HOST/');
    },
  );

  test('uses the public address where one is configured', async () => {
    const other = await startLiveDepot({ settings: { publicUrl: 'https://depot.example.com/' } });
    try {
      const page = await supertest(other.urls[0] ?? '').get('/');
      expect(page.text).toContain('curl -fO https://depot.example.com/keys/pubkey.gpg');
    } finally {
      await other.remove();
    }
  });
});

describe('health', () => {
  test('/healthz is a short ok, also to HEAD', async () => {
    const answer = await ask.get('/healthz').expect(200, 'ok\n');
    const head = await ask.head('/healthz').expect(200);
    expect(head.headers['content-length']).toBe(answer.headers['content-length']);
  });

  test('/readyz says ok for each folder', async () => {
    const { body } = await ask
      .get('/readyz')
      .expect(200)
      .expect('Content-Type', /^application\/json/);
    expect(body).toEqual({ ready: true, checks: { assets: 'ok', keys: 'ok', data: 'ok' } });
  });

  test('/readyz is 503 with the reason when a folder is gone or its disk is full, and names no path', async () => {
    const other = await startLiveDepot({ settings: { 'limits.freeSpace': '4000TiB' } });
    try {
      await rm(join(other.folder, 'assets'), { recursive: true });
      const { body, text } = await supertest(other.urls[0] ?? '')
        .get('/readyz')
        .expect(503);
      expect(body).toEqual({ ready: false, checks: { assets: 'missing', keys: 'ok', data: 'disk full' } });
      expect(text).not.toContain(other.folder);
    } finally {
      await other.remove();
    }
  });

  test('/readyz is 503 when the registry has no folder to write to', async () => {
    const other = await startLiveDepot();
    try {
      const registry = join(other.folder, 'data/registry');
      await rm(registry, { recursive: true });
      await writeFile(registry, 'in the way');
      const { body } = await supertest(other.urls[0] ?? '')
        .get('/readyz')
        .expect(503);
      expect(body.checks).toEqual({ assets: 'ok', keys: 'ok', data: 'ok', registry: 'not a folder' });
    } finally {
      await other.remove();
    }
  });

  test('/metrics counts answers by method, class and part, and shows the process', async () => {
    await ask.get('/healthz');
    await ask.post('/nowhere');
    const { text, headers } = await ask.get('/metrics').expect(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toMatch(/^bootdepot_requests_total\{method="GET",status="2xx",route="healthz"\} \d+$/m);
    expect(text).toMatch(/^bootdepot_requests_total\{method="POST",status="4xx",route="other"\} \d+$/m);
    expect(text).toMatch(/^bootdepot_response_bytes_total\{route="healthz"\} \d+$/m);
    expect(text).toMatch(/^bootdepot_request_duration_seconds_count\{route="healthz"\} \d+$/m);
    expect(text).toMatch(/^bootdepot_open_connections [1-9]/m);
    expect(text).toMatch(/^bootdepot_open_transfers 0$/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m);
  });
});

describe('what is not there', () => {
  test.each([
    '/nope',
    '/Assets/',
    '/healthz/',
    '/assets/nope.aci.asc',
    '/%',
    '/%zz',
    '//',
    '/..%2fetc/passwd',
  ])('%s is a short plain 404 or 400', async (path) => {
    const answer = await ask.get(path);
    expect([400, 404]).toContain(answer.status);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(answer.text).toBe(answer.status === 404 ? 'not found\n' : 'bad request\n');
  });

  test.each(['/', '/healthz', '/readyz', '/metrics', '/assets/'])('%s takes no writes', async (path) => {
    for (const method of ['post', 'put', 'delete', 'patch', 'options'] as const) {
      await ask[method](path).expect(405, 'method not allowed\n').expect('Allow', 'GET, HEAD');
    }
  });
});

describe('failures', () => {
  async function failing(error: unknown, before: (res: express.Response) => void = () => undefined) {
    const lines: string[] = [];
    const log = await createLog({
      level: 'info',
      format: 'json',
      destination: { write: (line) => void lines.push(line) },
    });
    const app = express();
    app.get('/', (_req, res) => {
      before(res);
      throw error;
    });
    app.use(createFailureHandler(log.logger));
    return { request: supertest(app).get('/'), lines };
  }

  test('an unforeseen error is 500 with the request id and nothing else; the log has the rest', async () => {
    const { request, lines } = await failing(new Error('cannot read /srv/secret/path'));
    const { text } = await request.set('X-Request-Id', 'from-the-proxy.1').expect(500);
    expect(text).toBe('internal error, request from-the-proxy.1\n');
    const [line] = lines.map((each) => JSON.parse(each));
    expect(line).toMatchObject({ level: 'error', request: 'from-the-proxy.1' });
    expect(line.err.stack).toContain('/srv/secret/path');
  });

  test('a foreseen error has the status and text of its code, never its message', async () => {
    const { request, lines } = await failing(new DepotError('NOT_FOUND', '/srv/x does not exist'));
    await request.expect(404, 'not found\n');
    expect(lines).toEqual([]);
  });

  test('a busy server says when to come again', async () => {
    const { request } = await failing(new DepotError('BUSY', 'too many open files'));
    await request.expect(503, 'busy, try again\n').expect('Retry-After', '3');
  });

  test.each([
    [400, 'bad request\n'],
    [412, 'precondition failed\n'],
    [416, 'range not satisfiable\n'],
  ])('a client fault that a library noticed keeps its status %d', async (status, text) => {
    const { request } = await failing(Object.assign(new Error('/srv/x'), { status }));
    await request.expect(status, text);
  });

  test('headers of the answer that failed are taken back', async () => {
    const { request } = await failing(new DepotError('IO_FAILED', 'x'), (res) => {
      res.set({ 'Content-Type': 'application/gzip', ETag: '"a"', 'Content-Length': '999', Allow: 'GET' });
    });
    const { headers } = await request.expect(500);
    expect(headers).not.toHaveProperty('etag');
    expect(headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', allow: 'GET' });
  });

  test('once headers have left the connection is cut, not completed', async () => {
    const { request } = await failing(new Error('late'), (res) => {
      res.writeHead(200, { 'Content-Length': '10' });
      res.write('half');
    });
    await expect(request).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  });
});

/** The line is written when the answer has left, which the client may see first. */
async function logged(wanted: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
  for (;;) {
    const line = depot.log().find(wanted);
    if (line !== undefined) return line;
    await new Promise((wake) => setTimeout(wake, 5));
  }
}

test('each request is one line in the log, without its query', async () => {
  await ask.get('/healthz?token=secret').set('User-Agent', 'rkt/1.30.0').set('X-Request-Id', 'abc');
  const line = await logged(({ id }) => id === 'abc');
  expect(line).toMatchObject({
    level: 'info',
    method: 'GET',
    path: '/healthz',
    status: 200,
    bytes: 3,
    remote: '127.0.0.1',
    agent: 'rkt/1.30.0',
  });
  expect(JSON.stringify(depot.log())).not.toContain('secret');
});

test('an id that could break a log line is not taken over', async () => {
  await ask.get('/healthz').set('X-Request-Id', 'a b"}').set('User-Agent', 'strange id');
  const line = await logged(({ agent }) => agent === 'strange id');
  expect(line.id).toMatch(/^[0-9a-f]{6}-[0-9a-z]+$/);
});

test('with log.requests off nothing is logged and all is counted', async () => {
  const other = await startLiveDepot({ settings: { 'log.requests': false } });
  try {
    const quiet = supertest(other.urls[0] ?? '');
    await quiet.get('/healthz').expect(200);
    expect((await quiet.get('/metrics')).text).toContain('route="healthz"} 1');
    expect(other.log().filter((line) => 'path' in line)).toEqual([]);
  } finally {
    await other.remove();
  }
});

test('two depots in one process do not mix their figures', async () => {
  const other = await startLiveDepot();
  try {
    const { text } = await supertest(other.urls[0] ?? '').get('/metrics');
    expect(text).not.toContain('route="home"');
  } finally {
    await other.remove();
  }
});
