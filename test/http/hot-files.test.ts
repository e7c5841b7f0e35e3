import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm, stat, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHotFiles, type HotFiles, type HotFilesOptions } from '../../server/http/hot-files.js';
import { loadSendfile } from '../../server/http/sendfile.js';
import { createTransfers } from '../../server/http/transfers.js';
import { assetsApp } from '../fixtures/assets-server.js';
import { type RawAnswer, RawClient, request, sha256 } from './raw-client.js';

/** Files that were just written count as settled. */
const LATER: HotFilesOptions = { now: () => Date.now() + 5000 };

const sendfile = await loadSendfile();
let folder: string;
let server: Server;
let port: number;
let hot: HotFiles;
/** Requests that were not answered from memory, by path; the real assets routes answer them. */
let slow: string[];
const clients: RawClient[] = [];

async function listen(options: HotFilesOptions = LATER): Promise<void> {
  const transfers = createTransfers({ sendfile });
  hot = createHotFiles({ transfers, ...options });
  slow = [];
  const app = assetsApp(folder, { transfers, hot });
  server = createServer((req, res) => {
    if (hot.answer(req, res)) return;
    slow.push(req.url ?? '');
    app(req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
}

async function client(): Promise<RawClient> {
  const made = await RawClient.open(port);
  clients.push(made);
  return made;
}

async function put(name: string, content: string | Buffer): Promise<string> {
  await writeFile(join(folder, name), content);
  return sha256(Buffer.from(content));
}

/** Asks until the answer comes from memory. */
async function warm(one: RawClient, path: string): Promise<RawAnswer> {
  for (;;) {
    const before = slow.length;
    const answer = await one.get(path);
    if (slow.length === before) return answer;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** How many of the requests since the last look were not answered from memory. */
function slowSince(): number {
  return slow.splice(0).length;
}

function isOpenOn(fd: string, within: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith(within);
  } catch {
    return false;
  }
}

function withoutDate(headers: readonly string[]): string[] {
  return headers.filter((line) => !line.startsWith('Date: '));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-hot-'));
});

afterEach(async () => {
  for (const each of clients.splice(0)) each.close();
  server.close();
  server.closeAllConnections();
  await rm(folder, { recursive: true, force: true });
});

describe('an answer from memory', () => {
  test.each(['GET', 'HEAD'])('to %s is the same as the slow one, line by line', async (method) => {
    await listen();
    const names = ['manifest.json', 'boot.ipxe', 'page.html', 'rack:7_a.aci', 'empty', 'large.img'];
    for (const name of names) {
      await put(name, name === 'empty' ? '' : `content of ${name}`.repeat(name === 'large.img' ? 10_000 : 1));
      const one = await client();
      one.send(request(`/assets/${name}`, method));
      const slowAnswer = await one.answer(method === 'GET');
      await warm(one, `/assets/${name}`);
      slowSince();
      one.send(request(`/assets/${name}`, method));
      const hotAnswer = await one.answer(method === 'GET');
      expect(slowSince()).toBe(0);
      expect(withoutDate(hotAnswer.headers)).toEqual(withoutDate(slowAnswer.headers));
      expect(hotAnswer).toMatchObject({ status: 200, sha256: slowAnswer.sha256 });
    }
  });

  test('to a condition that holds is the same 304', async () => {
    await listen();
    await put('kept', 'kept bytes');
    const one = await client();
    const etag = /^ETag: (.*)$/m.exec((await one.get('/assets/kept')).headers.join('\n'))?.[1] ?? '';
    const slowAnswer = await one.get('/assets/kept', { 'If-None-Match': etag });
    await warm(one, '/assets/kept');
    slowSince();
    const hotAnswer = await one.get('/assets/kept', { 'If-None-Match': etag });
    expect(slowSince()).toBe(0);
    expect([hotAnswer.status, withoutDate(hotAnswer.headers)]).toEqual([
      304,
      withoutDate(slowAnswer.headers),
    ]);
  });

  test('is the same for any query, and not given for another spelling of the name', async () => {
    await listen();
    const digest = await put('plain', 'plain bytes');
    const one = await client();
    await warm(one, '/assets/plain');
    slowSince();
    expect((await one.get('/assets/plain?serial=1')).sha256).toBe(digest);
    expect(slowSince()).toBe(0);
    expect((await one.get('/assets/%70lain')).sha256).toBe(digest);
    expect(slowSince()).toBe(1);
  });

  test('stays in step with pipelined large files', async () => {
    await listen();
    const small = await put('small', randomBytes(4096));
    const large = await put('large', randomBytes(5_000_001));
    const one = await client();
    await warm(one, '/assets/small');
    await warm(one, '/assets/large');
    slowSince();
    for (let round = 0; round < 5; round += 1) {
      const names = ['large', 'small', 'small', 'large', 'small', 'large', 'large', 'small'];
      one.send(names.map((name) => request(`/assets/${name}`)).join(''));
      for (const name of names) expect((await one.answer()).sha256).toBe(name === 'small' ? small : large);
    }
    expect(slowSince()).toBe(0);
  });
});

describe('what is not plain', () => {
  test.each<[string, Record<string, string>]>([
    ['a range', { Range: 'bytes=0-3' }],
    ['If-Range', { 'If-Range': '"other"', Range: 'bytes=0-3' }],
    ['If-Match', { 'If-Match': '*' }],
    ['another If-None-Match', { 'If-None-Match': '"other"' }],
    ['If-Modified-Since', { 'If-Modified-Since': 'Mon, 06 May 2024 07:08:09 GMT' }],
    ['If-Unmodified-Since', { 'If-Unmodified-Since': 'Mon, 06 May 2024 07:08:09 GMT' }],
  ])('goes the slow way: %s', async (_name, headers) => {
    await listen();
    await put('kept', 'kept bytes');
    const one = await client();
    await warm(one, '/assets/kept');
    slowSince();
    await one.get('/assets/kept', headers);
    expect(slowSince()).toBe(1);
  });

  test('one part of a file is not kept', async () => {
    await listen();
    await put('part', 'some bytes');
    const one = await client();
    for (let count = 0; count < 5; count += 1) {
      await one.get('/assets/part', { Range: 'bytes=0-3' });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(slowSince()).toBe(5);
  });
});

describe('a file too large for memory', () => {
  test.each<[string, HotFilesOptions]>([
    ['sendfile', LATER],
    ['pooled reads', { ...LATER, transfers: createTransfers() }],
  ])('is opened again for each answer, by %s', async (_name, options) => {
    await listen(options);
    const digest = await put('large', randomBytes(3_000_000));
    const one = await client();
    await warm(one, '/assets/large');
    slowSince();
    for (let count = 0; count < 10; count += 1) {
      expect(await one.get('/assets/large')).toMatchObject({ length: 3_000_000, sha256: digest });
    }
    expect(slowSince()).toBe(0);
  });

  test.each<[string, HotFilesOptions]>([
    ['sendfile', LATER],
    ['pooled reads', { ...LATER, transfers: createTransfers() }],
  ])('is closed when the client leaves, by %s', async (_name, options) => {
    await listen(options);
    await put('large', randomBytes(32_000_000));
    await warm(await client(), '/assets/large');
    const openNow = () => readdirSync('/proc/self/fd').filter((fd) => isOpenOn(fd, folder)).length;
    for (let count = 0; count < 5; count += 1) {
      const one = await client();
      one.send(request('/assets/large'));
      while (openNow() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      one.socket.resetAndDestroy();
      while (openNow() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });

  test('is left to the slow way when something else is at its path', async () => {
    await listen();
    await put('large', randomBytes(100_000));
    const one = await client();
    await warm(one, '/assets/large');
    await unlink(join(folder, 'large'));
    execFileSync('mkfifo', [join(folder, 'large')]);
    expect((await one.get('/assets/large')).status).toBe(404);
    await unlink(join(folder, 'large'));
    await mkdir(join(folder, 'large'));
    expect((await one.get('/assets/large')).status).toBe(301);
  });
});

describe('a changed file is noticed by the next request', () => {
  /** Ways to put other bytes of the same length at a path, the modification time set back. */
  const ways: [string, (path: string, bytes: Buffer) => Promise<void>][] = [
    [
      'written over',
      async (path, bytes) => {
        const file = await open(path, 'r+');
        await file.write(bytes);
        await file.close();
      },
    ],
    [
      'replaced',
      async (path, bytes) => {
        await writeFile(`${path}.next`, bytes);
        await rename(`${path}.next`, path);
      },
    ],
    [
      'removed and made again',
      async (path, bytes) => {
        await unlink(path);
        await writeFile(path, bytes);
      },
    ],
  ];

  const cases = ways.flatMap(([name, change]) =>
    [1000, 100_000].map((size) => [name, size, change] as const),
  );

  test.each(cases)('%s, %i bytes: same size, same second, same times', async (_name, size, change) => {
    await listen();
    const path = join(folder, 'file');
    await put('file', randomBytes(size));
    const { mtime } = await stat(path);
    await utimes(path, mtime, mtime);
    const one = await client();
    for (let round = 0; round < 10; round += 1) {
      await warm(one, '/assets/file');
      // Times of some file systems stand still for a few milliseconds; a kept file is older than that.
      await new Promise((resolve) => setTimeout(resolve, 20));
      const bytes = randomBytes(size);
      await change(path, bytes);
      await utimes(path, mtime, mtime);
      expect((await one.get('/assets/file')).sha256).toBe(sha256(bytes));
    }
  });

  test('a file that is rewritten all the time is never answered with old bytes', async () => {
    await listen({});
    const one = await client();
    for (let round = 0; round < 200; round += 1) {
      const digest = await put('file', randomBytes(500));
      expect((await one.get('/assets/file')).sha256).toBe(digest);
      if (round % 3 === 0) expect((await one.get('/assets/file')).sha256).toBe(digest);
      if (round % 50 === 0) await warm(one, '/assets/file');
    }
  });

  test('removed, or its folder replaced by a way out of the root', async () => {
    await listen();
    await mkdir(join(folder, 'sub'));
    await put('sub/file', 'inside');
    await put('gone', 'inside');
    const outside = await mkdtemp(join(tmpdir(), 'bootdepot-outside-'));
    await writeFile(join(outside, 'file'), 'secret');
    const one = await client();
    await warm(one, '/assets/gone');
    await warm(one, '/assets/sub/file');
    await unlink(join(folder, 'gone'));
    await rm(join(folder, 'sub'), { recursive: true });
    await symlink(outside, join(folder, 'sub'));
    expect((await one.get('/assets/gone')).status).toBe(404);
    expect((await one.get('/assets/sub/file')).status).toBe(404);
    await rm(outside, { recursive: true });
  });

  test('a folder that was moved out of the root and linked is not', async () => {
    await listen();
    await mkdir(join(folder, 'sub/deep'), { recursive: true });
    const outside = await mkdtemp(join(tmpdir(), 'bootdepot-outside-'));
    await put('sub/deep/small', 'inside');
    await put('sub/deep/large', Buffer.alloc(200_000));
    const one = await client();
    for (const name of ['small', 'large']) await warm(one, `/assets/sub/deep/${name}`);
    await rename(join(folder, 'sub/deep'), join(outside, 'deep'));
    await symlink(join(outside, 'deep'), join(folder, 'sub/deep'));
    for (const name of ['small', 'large']) {
      expect((await one.get(`/assets/sub/deep/${name}`)).status).toBe(404);
    }
    await rm(outside, { recursive: true });
  });

  test('a file written a moment ago is not kept yet', async () => {
    let nowMs = 0;
    await listen({ now: () => nowMs });
    await put('fresh', 'fresh bytes');
    const one = await client();
    nowMs = (await stat(join(folder, 'fresh'))).ctimeMs + 90;
    for (let count = 0; count < 5; count += 1) {
      await one.get('/assets/fresh');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(slowSince()).toBe(5);
    nowMs += 5000;
    await warm(one, '/assets/fresh');
  });
});

describe('the bound', () => {
  test('holds: what nobody asked for lately makes room first', async () => {
    await listen({ ...LATER, maxBytes: 3 * (2048 + 1000) });
    const one = await client();
    for (const name of ['a', 'b', 'c']) {
      await put(name, randomBytes(1000));
      await one.get(`/assets/${name}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await warm(one, '/assets/a');
    await put('d', randomBytes(1000));
    await warm(one, '/assets/d');
    slowSince();
    await one.get('/assets/a');
    await one.get('/assets/c');
    await one.get('/assets/d');
    expect(slowSince()).toBe(0);
    await one.get('/assets/b');
    expect(slowSince()).toBe(1);
  });

  test('of nothing keeps nothing', async () => {
    await listen({ ...LATER, maxBytes: 0 });
    await put('file', 'bytes');
    const one = await client();
    for (let count = 0; count < 5; count += 1) {
      await one.get('/assets/file');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(slowSince()).toBe(5);
  });
});
