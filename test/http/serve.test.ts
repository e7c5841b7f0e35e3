import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { link, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type LiveDepot, type LiveDepotOptions, startLiveDepot } from '../fixtures/live-depot.js';
import { dial, exchange, readAll } from './line-client.js';

const running: LiveDepot[] = [];

async function start(options: LiveDepotOptions = {}): Promise<LiveDepot> {
  const depot = await startLiveDepot(options);
  running.push(depot);
  return depot;
}
afterEach(async () => {
  for (const depot of running.splice(0)) await depot.remove();
});

const GET = 'GET /healthz HTTP/1.1\r\nHost: depot\r\n\r\n';

describe('listeners', () => {
  test('several answer at once, IPv6 and a socket file among them', async () => {
    const path = join(tmpdir(), `bootdepot-${randomBytes(4).toString('hex')}.sock`);
    const depot = await start({ settings: { listen: ['127.0.0.1:0', '[::1]:0', `unix:${path}`] } });
    expect(depot.urls).toEqual([
      expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^http:\/\/\[::1\]:\d+$/),
      `unix:${path}`,
    ]);
    for (const url of depot.urls.slice(0, 2)) expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(existsSync(path)).toBe(true);
    await depot.stop();
    expect(existsSync(path)).toBe(false);
  });

  test('a port that is taken is said in one sentence, and nothing else stays open', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const taken = typeof address === 'object' ? `127.0.0.1:${address?.port}` : '';
    try {
      await expect(start({ settings: { listen: ['127.0.0.1:0', taken] } })).rejects.toMatchObject({
        code: 'ADDRESS_UNAVAILABLE',
        message: `${taken} is taken by another program: stop that one, or choose another with --listen`,
      });
    } finally {
      other.close();
    }
  });

  test.each([
    ['192.0.2.1:0', '192.0.2.1:0 is not an address of this machine'],
    ['no-such-host.invalid:0', /^no-such-host\.invalid:0 names a host that cannot be found/],
    [
      'unix:/no/such/folder/depot.sock',
      'unix:/no/such/folder/depot.sock lies in a folder that does not exist',
    ],
  ])('%s cannot be listened on, and the message says why', async (listen, message) => {
    await expect(start({ settings: { listen: [listen] } })).rejects.toThrow(message);
  });

  test('a socket file that a killed process left is taken over; one in use and other files are not', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bootdepot-socket-'));
    const left = join(folder, 'left.sock');
    const file = join(folder, 'file');
    try {
      const killed = createServer().listen(join(folder, 'killed.sock'));
      await once(killed, 'listening');
      await link(join(folder, 'killed.sock'), left);
      killed.close();
      await start({ settings: { listen: [`unix:${left}`] } });
      await expect(start({ settings: { listen: [`unix:${left}`] } })).rejects.toThrow(
        'is taken by another program',
      );
      await writeFile(file, 'precious');
      await expect(start({ settings: { listen: [`unix:${file}`] } })).rejects.toThrow(
        'is taken by another program',
      );
      expect(await readFile(file, 'utf8')).toBe('precious');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('what is no plain request', () => {
  test.each([
    ['garbage', '400 Bad Request', 'bad request\n'],
    ['GET / HTTP/1.1\r\nHost: a\r\nHeader with no colon\r\n\r\n', '400 Bad Request', 'bad request\n'],
    [
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
      '400 Bad Request',
      'bad request\n',
    ],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '400 Bad Request', 'bad request\n'],
    [
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
      'request header fields too large\n',
    ],
    [
      'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n',
      '405 Method Not Allowed',
      'method not allowed\n',
    ],
  ])('%.40j is %s, short, plain and final', async (request, status, body) => {
    const depot = await start();
    const answer = await exchange(depot.port, `${request}\r\n\r\n`);
    expect(answer.startsWith(`HTTP/1.1 ${status}\r\n`)).toBe(true);
    expect(answer).toContain('Content-Type: text/plain');
    expect(answer).toContain('Connection: close\r\n');
    expect(answer.endsWith(`\r\n\r\n${body}`)).toBe(true);
  });

  test('a URL beyond the limit is 414, and the connection goes on', async () => {
    const depot = await start({ settings: { 'limits.urlLength': '100B' } });
    const long = `GET /${'a'.repeat(100)} HTTP/1.1\r\nHost: a\r\n\r\n`;
    const text = await exchange(depot.port, long + GET, 'ok\n');
    expect(text).toMatch(/^HTTP\/1\.1 414 URI Too Long\r\n.*uri too long\nHTTP\/1\.1 200 OK\r\n/s);
  });

  test('Expect: 100-continue gets the answer and no interim one; other expectations get 417', async () => {
    const depot = await start();
    const patient = await exchange(
      depot.port,
      GET.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'),
      'ok\n',
    );
    expect(patient).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const odd = await exchange(depot.port, GET.replace('\r\n\r\n', '\r\nExpect: tea\r\n\r\n'), 'failed\n');
    expect(odd).toMatch(/^HTTP\/1\.1 417 Expectation Failed\r\n/);
  });

  test('garbage behind a pipelined request never lands in the answer to it', async () => {
    const depot = await start();
    const body = randomBytes(8 * 1024 * 1024);
    await writeFile(join(depot.folder, 'assets', 'large.bin'), body);
    const text = await exchange(
      depot.port,
      'GET /assets/large.bin HTTP/1.1\r\nHost: a\r\n\r\n\x00\x01garbage\r\n\r\n',
    );
    const received = Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1');
    expect(received.equals(body.subarray(0, received.length))).toBe(true);
    expect(text).not.toContain('400 Bad Request');
  });

  test('HTTP/1.0 without a Host is served and the connection closed', async () => {
    const depot = await start();
    const text = await exchange(depot.port, 'GET /healthz HTTP/1.0\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*ok\n$/s);
  });

  test('an absolute target is served as its path', async () => {
    const depot = await start();
    const text = await exchange(
      depot.port,
      'GET http://other/healthz HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n',
    );
    expect(text).toMatch(/ok\n$/);
  });
});

describe('limits', () => {
  test('headers that do not come in time get 408, and so does a connection without a request', async () => {
    const depot = await start({ settings: { 'limits.headerTime': '300ms' } });
    const slow = await exchange(depot.port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow');
    expect(slow).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(await exchange(depot.port, '')).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n|^$/);
  });

  test('an idle connection is closed after the idle time, and the answer says how long that is', async () => {
    const depot = await start({ settings: { 'limits.idleTime': '1s' } });
    const text = await exchange(depot.port, GET);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*Keep-Alive: timeout=1\r\n/s);
  });

  test('a connection too many is told to come again, and those before it are not touched', async () => {
    const depot = await start({ settings: { 'limits.connections': 2 } });
    const first = [await dial(depot.port), await dial(depot.port)];
    const text = await exchange(depot.port, GET);
    expect(text).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(text).toMatch(/\r\nRetry-After: \d+\r\n/);
    expect(text).toContain('Connection: close\r\n');
    for (const socket of first) {
      socket.write(GET);
      expect(await readAll(socket, 'ok\n')).toMatch(/^HTTP\/1\.1 200 OK/);
    }
    expect(await exchange(depot.port, GET, 'ok\n')).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  test('a download that is slower than every limit is not cut', async () => {
    const depot = await start({ settings: { 'limits.headerTime': '200ms', 'limits.idleTime': '200ms' } });
    const body = randomBytes(16 * 1024 * 1024);
    await writeFile(join(depot.folder, 'assets', 'slow.bin'), body);
    const socket = await dial(depot.port);
    socket.write('GET /assets/slow.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const chunks: Buffer[] = [];
    for (let pauses = 6; pauses > 0; pauses -= 1) {
      await new Promise((wake) => setTimeout(wake, 500));
      chunks.push(...readAvailable(socket));
    }
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(socket, 'end');
    const all = Buffer.concat(chunks);
    expect(all.subarray(all.length - body.length).equals(body)).toBe(true);
  });
});

function readAvailable(socket: Socket): Buffer[] {
  const chunk: Buffer | null = socket.read(256 * 1024) ?? socket.read();
  return chunk === null ? [] : [chunk];
}

describe('stopping', () => {
  test('idle connections close at once and new ones are refused', async () => {
    const depot = await start();
    const idle = await dial(depot.port);
    idle.write(GET);
    await once(idle, 'data');
    const silent = await dial(depot.port);
    const closed = Promise.all([readAll(idle), readAll(silent)]);
    expect(await depot.stop()).toBe(0);
    await closed;
    const refused = await dial(depot.port).catch((error: NodeJS.ErrnoException) => error.code);
    expect(refused).toBe('ECONNREFUSED');
  });

  test('a download that is under way is finished first', async () => {
    const depot = await start({ settings: { 'limits.drain': '20s' } });
    const body = randomBytes(32 * 1024 * 1024);
    await writeFile(join(depot.folder, 'assets', 'kernel'), body);
    const socket = await dial(depot.port);
    socket.write('GET /assets/kernel HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'readable');
    const stopped = depot.stop();
    await new Promise((wake) => setTimeout(wake, 200));
    const text = await readAll(socket);
    expect(await stopped).toBe(0);
    expect(Buffer.from(text.slice(-body.length), 'latin1').equals(body)).toBe(true);
  });

  test('one that takes longer than the limit is cut, and counted', async () => {
    const depot = await start({ settings: { 'limits.drain': '200ms' } });
    await writeFile(join(depot.folder, 'assets', 'kernel'), randomBytes(32 * 1024 * 1024));
    const socket = await dial(depot.port);
    socket.write('GET /assets/kernel HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'readable');
    expect(await depot.stop()).toBe(1);
    socket.resume();
    await once(socket, 'close');
  });
});
