/** Listings over HTTP: for browsers, for curl, for programs, and for folders of any size. */
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { ask, assetsApp, type RunningServer, scratchFolder, startServer } from '../fixtures/assets-server.js';

const { dir, remove } = scratchFolder();
const app = assetsApp(dir);
let server: RunningServer;
const SIGNED = new Date('2024-05-06T08:00:00Z');
const MODIFIED = new Date('2024-05-06T07:08:09.999Z');
const STRANGE = 'a "b" <c> & \'d\' #1?\u202e\u001b[31m.img';

function put(name: string, content: string, time: Date = MODIFIED): void {
  mkdirSync(join(dir, name, '..'), { recursive: true });
  writeFileSync(join(dir, name), content);
  utimesSync(join(dir, name), time, time);
}

beforeAll(async () => {
  put('coreos/hyperkube:v1.aci', 'x'.repeat(1536));
  put('coreos/hyperkube:v1.aci.asc', 'x', SIGNED);
  put('coreos/hyperkube:v2.aci', 'x');
  put('coreos/hyperkube:v3.aci', 'x', SIGNED);
  put('coreos/hyperkube:v3.aci.asc', 'x');
  put('coreos/1.0/vmlinuz', '');
  put(`strange/${STRANGE}`, 'strange');
  utimesSync(join(dir, 'coreos/1.0'), MODIFIED, MODIFIED);
  server = await startServer(app);
});

afterAll(async () => {
  await server.stop();
  remove();
});

describe('a folder as HTML', () => {
  test('has a line for each entry, with links that hold no literal colon', async () => {
    const answer = await request(app).get('/assets/coreos/');
    expect(answer.status).toBe(200);
    const rows = answer.text.split('\n').filter((line) => line.startsWith('<tr><td>'));
    expect(rows).toEqual([
      '<tr><td><a href="../">../</a><td><td><td>',
      '<tr><td><a href="1.0/">1.0/</a><td><td>2024-05-06T07:08:09Z<td>',
      '<tr><td><a href="hyperkube%3Av1.aci">hyperkube:v1.aci</a><td title="1536 B">1.5 KiB<td>2024-05-06T07:08:09Z<td class="signed">signed',
      '<tr><td><a href="hyperkube%3Av1.aci.asc">hyperkube:v1.aci.asc</a><td title="1 B">1 B<td>2024-05-06T08:00:00Z<td>',
      '<tr><td><a href="hyperkube%3Av2.aci">hyperkube:v2.aci</a><td title="1 B">1 B<td>2024-05-06T07:08:09Z<td class="unsigned">unsigned',
      '<tr><td><a href="hyperkube%3Av3.aci">hyperkube:v3.aci</a><td title="1 B">1 B<td>2024-05-06T08:00:00Z<td class="stale">stale',
      '<tr><td><a href="hyperkube%3Av3.aci.asc">hyperkube:v3.aci.asc</a><td title="1 B">1 B<td>2024-05-06T07:08:09Z<td>',
    ]);
    expect(answer.text).toMatch(/^<!DOCTYPE html>\n[\s\S]*<\/html>\n$/);
  });

  test('can run nothing, load nothing and be framed nowhere', async () => {
    const { headers } = await request(app).get('/assets/');
    expect(headers).toMatchObject({
      'cache-control': 'no-cache',
      'content-type': 'text/html; charset=utf-8',
      'referrer-policy': 'no-referrer',
      vary: 'Accept',
      'x-content-type-options': 'nosniff',
    });
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/=]+'; .*frame-ancestors 'none'$/,
    );
  });

  test('has no link out of the assets', async () => {
    expect((await request(app).get('/assets/')).text).not.toContain('"../"');
  });

  test('shows hostile names as harmless text, and links to them work', async () => {
    const { text } = await request(app).get('/assets/strange/');
    const [, href = '', label] = /<a href="([^"]*)">(a [^\n]*)<\/a>/.exec(text) ?? [];
    expect(label).toBe('a &#34;b&#34; &#60;c&#62; &#38; &#39;d&#39; #1?\ufffd\ufffd[31m.img');
    const path = href.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
    const answer = await ask(server.port, `/assets/strange/${path}`);
    expect([answer.status, answer.body.toString()]).toEqual([200, 'strange']);
  });

  test('is what HEAD describes', async () => {
    const { headers } = await request(app).get('/assets/coreos/');
    const head = await request(app).head('/assets/coreos/');
    expect([head.status, head.headers['content-type']]).toEqual([200, headers['content-type']]);
    expect(head.text).toBeUndefined();
  });

  test('is there under every spelling of the path that ends in a slash', async () => {
    for (const path of ['/assets//coreos/', '/assets/./coreos/1.0/../', '/assets/coreos/?m=1']) {
      expect((await ask(server.port, path)).status).toBe(200);
    }
  });
});

describe('a folder as JSON', () => {
  test('is for clients that ask for it', async () => {
    const answer = await request(app).get('/assets/coreos/').set('Accept', 'application/json');
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      vary: 'Accept',
    });
    expect(answer.body.path).toBe('/assets/coreos/');
    expect(answer.body.entries.slice(0, 2)).toEqual([
      { name: '1.0', type: 'folder', size: null, modified: '2024-05-06T07:08:09Z', signature: null },
      {
        name: 'hyperkube:v1.aci',
        type: 'file',
        size: 1536,
        modified: '2024-05-06T07:08:09Z',
        signature: 'signed',
      },
    ]);
    expect(answer.body.entries).toHaveLength(6);
  });

  test('keeps hostile names as they are', async () => {
    const answer = await request(app).get('/assets/strange/').set('Accept', 'application/json');
    expect(answer.body.entries[0].name).toBe(STRANGE);
  });

  test.each([
    ['text/html', 'text/html'],
    ['*/*', 'text/html'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'text/html'],
    ['application/json, */*;q=0.1', 'application/json'],
    ['application/json;q=0.5, text/html;q=0.4', 'application/json'],
    ['image/png', 'text/html'],
  ])('Accept: %s gets %s', async (accept, type) => {
    const answer = await request(app).get('/assets/coreos/').set('Accept', accept);
    expect(answer.headers['content-type']).toContain(type);
  });
});

test('folders are not there if listings are off, and still redirect', async () => {
  const quiet = assetsApp(dir, { listing: false });
  expect((await request(quiet).get('/assets/coreos/')).status).toBe(404);
  expect((await request(quiet).get('/assets/coreos')).status).toBe(301);
  expect((await request(quiet).get('/assets/coreos/1.0/vmlinuz')).status).toBe(200);
});

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Bytes that are still in use when all that is not has been collected. */
function liveHeap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

describe('a folder of 50,000 files', () => {
  const COUNT = 25_000;

  beforeAll(() => {
    mkdirSync(join(dir, 'many'));
    for (let index = 0; index < COUNT; index += 1) {
      const name = join(dir, 'many', `coreos-hyperkube:v1.3.${index}_coreos.0.aci`);
      writeFileSync(name, '');
      writeFileSync(`${name}.asc`, '');
    }
  }, 120_000);

  afterAll(() => rmSync(join(dir, 'many'), { recursive: true, force: true }));

  test('is listed in full, while the event loop keeps turning', async () => {
    let turns = 0;
    let done = false;
    const turning = (async () => {
      while (!done) {
        turns += 1;
        await nextTurn();
      }
    })();
    const answer = await request(app).get('/assets/many/').set('Accept', 'application/json');
    done = true;
    await turning;
    expect(answer.body.entries).toHaveLength(2 * COUNT);
    expect(
      answer.body.entries.filter(({ signature }: { signature: string }) => signature === 'signed'),
    ).toHaveLength(COUNT);
    expect(turns).toBeGreaterThan(50);
  });

  test('is made only as fast as a client takes it, and dropped when the client leaves', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /assets/many/ HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    await pause(1000);
    const paused = socket.bytesRead;
    const whole = (await ask(server.port, '/assets/many/')).body.length;
    expect(whole).toBeGreaterThan(5_000_000);
    expect(paused).toBeLessThan(whole / 2);
    socket.destroy();
    expect((await ask(server.port, '/assets/coreos/')).status).toBe(200);
  });

  test('does not make memory grow, however often it is listed', async () => {
    const listOnce = () =>
      new Promise<void>((resolve, reject) => {
        get({ host: '127.0.0.1', port: server.port, path: '/assets/many/', agent: false }, (response) => {
          response.resume().on('end', resolve).on('error', reject);
        });
      });
    await listOnce();
    const before = liveHeap();
    for (let round = 0; round < 5; round += 1) await listOnce();
    expect(liveHeap() - before).toBeLessThan(2 * 2 ** 20);
  }, 60_000);
});
