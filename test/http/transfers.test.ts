import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { chmod, mkdtemp, open, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { loadSendfile, type Sendfile } from '../../server/http/sendfile.js';
import { type BodyPart, createTransfers, type Transfers } from '../../server/http/transfers.js';
import { RawClient, request, sha256 } from './raw-client.js';

const MIB = 1024 * 1024;
const kernel = await loadSendfile();

/** A call that sends odd counts and is full now and then, as a busy network is. */
function fitful(sendfile: Sendfile): Sendfile {
  let calls = 0;
  return (socket, file, position, count) => {
    calls += 1;
    if (calls % 3 === 0) return 'full';
    return sendfile(socket, file, position, calls % 2 === 0 ? Math.min(count, 7001) : count);
  };
}

let folder: string;
let server: Server;
let port: number;
let transfers: Transfers;
const clients: RawClient[] = [];

/** What the answer to one path consists of; the whole file unless a test says otherwise. */
let partsOf: (size: number) => BodyPart[];

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.url === '/text') {
    res.end('a small answer');
    return;
  }
  const file = await open(join(folder, req.url ?? ''));
  const stats = await file.stat();
  transfers.send(res, file, partsOf(stats.size), stats);
}

async function listen(sendfile: Sendfile | undefined, budgetMs = 1): Promise<void> {
  transfers = createTransfers({ sendfile, budgetMs });
  server = createServer((req, res) => void answer(req, res));
  server.on('connection', () => transfers.sawConnection());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
}

async function client(pauseMs = 0): Promise<RawClient> {
  const made = await RawClient.open(port, pauseMs);
  clients.push(made);
  return made;
}

/** Writes a file of random bytes and gives their digest. */
async function file(name: string, size: number): Promise<string> {
  const bytes = randomBytes(size);
  await writeFile(join(folder, name), bytes);
  return sha256(bytes);
}

/** Descriptors of this process that are open on files of the folder. */
function openFiles(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-transfers-'));
  partsOf = (size) => [{ start: 0, length: size }];
});

afterEach(async () => {
  for (const each of clients.splice(0)) each.close();
  server.close();
  server.closeAllConnections();
  await rm(folder, { recursive: true, force: true });
});

const ways: [string, Sendfile | undefined][] = [['pooled reads', undefined]];
if (kernel !== undefined) ways.push(['sendfile', kernel], ['a fitful sendfile', fitful(kernel)]);

test('sendfile is there on Linux', () => {
  expect(kernel === undefined).toBe(process.platform !== 'linux');
  server = createServer();
});

describe.each(ways)('by %s', (_name, sendfile) => {
  beforeEach(() => listen(sendfile));

  test('a large file arrives byte for byte, and its length is said before', async () => {
    const digest = await file('large', 24 * MIB + 13);
    const got = await (await client()).get('/large');
    expect(got).toMatchObject({ status: 200, length: 24 * MIB + 13, sha256: digest });
    await until(() => transfers.bytes === 24 * MIB + 13);
  });

  test('one connection carries answers of every size, one after the other', async () => {
    const sizes = [0, 1, 4095, 4096, 4097, 16 * 1024, 64 * 1024, 64 * 1024 + 1, MIB, 3 * MIB + 7];
    const digests = await Promise.all(sizes.map((size) => file(`f${size}`, size)));
    const one = await client();
    for (let round = 0; round < 3; round += 1) {
      for (const [index, size] of sizes.entries()) {
        expect(await one.get(`/f${size}`)).toMatchObject({ length: size, sha256: digests[index] });
      }
    }
    await until(() => transfers.open === 0);
  });

  test('pipelined requests for large files are answered in order and in step', async () => {
    const digests = [await file('a', 5 * MIB + 1), await file('b', 3 * MIB), await file('c', 6 * MIB + 5)];
    for (let round = 0; round < 4; round += 1) {
      const one = await client();
      one.send(request('/a') + request('/b') + request('/c'));
      for (const digest of digests) expect((await one.answer()).sha256).toBe(digest);
    }
  });

  test('pipelined small and large answers stay in step', async () => {
    const large = await file('large', 4 * MIB + 3);
    const small = await file('small', 900);
    const one = await client();
    const paths = Array.from({ length: 10 }, () => [
      '/text',
      '/large',
      '/small',
      '/small',
      '/large',
      '/text',
    ]).flat();
    one.send(paths.map((path) => request(path)).join(''));
    const expected: Record<string, string> = {
      '/text': sha256(Buffer.from('a small answer')),
      '/large': large,
      '/small': small,
    };
    for (const path of paths) expect((await one.answer()).sha256).toBe(expected[path]);
  });

  test('a client that asks again the moment it has the last byte stays in step', async () => {
    const digest = await file('large', MIB);
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const one = await client();
        for (let count = 0; count < 40; count += 1) expect((await one.get('/large')).sha256).toBe(digest);
      }),
    );
  });

  test('a body of several parts is sent in their order', async () => {
    const bytes = randomBytes(2 * MIB);
    await writeFile(join(folder, 'parted'), bytes);
    const boundary = Buffer.from('\r\n--boundary\r\n');
    partsOf = () => [
      boundary,
      { start: MIB, length: MIB },
      boundary,
      { start: 5, length: 0 },
      { start: 0, length: 10 },
      { start: 100, length: 300_000 },
      boundary,
    ];
    const expected = Buffer.concat([
      boundary,
      bytes.subarray(MIB),
      boundary,
      bytes.subarray(0, 10),
      bytes.subarray(100, 300_100),
      boundary,
    ]);
    const one = await client();
    for (let count = 0; count < 3; count += 1) {
      expect(await one.get('/parted')).toMatchObject({ length: expected.length, sha256: sha256(expected) });
    }
  });

  test('no parts are an empty body, and HEAD sends the length alone', async () => {
    await file('large', MIB);
    const one = await client();
    one.send(request('/large', 'HEAD'));
    expect((await one.answer(false)).headers).toContain(`Content-Length: ${MIB}`);
    partsOf = () => [];
    expect(await one.get('/large')).toMatchObject({ status: 200, length: 0 });
    expect((await one.get('/text')).length).toBe(14);
  });

  test('slow readers get the right bytes, also past the idle timer', async () => {
    server.timeout = 100;
    const digest = await file('large', 6 * MIB);
    const slow = await Promise.all([client(3), client(3), client(3), client(3)]);
    const got = await Promise.all(slow.map((each) => each.get('/large')));
    expect(got.map((each) => each.sha256)).toEqual([digest, digest, digest, digest]);
  });

  test('a connection is closed when the client asked for that, and after its idle time', async () => {
    server.keepAliveTimeout = 1;
    const digest = await file('large', 2 * MIB);
    const closing = await client();
    expect((await closing.get('/large', { Connection: 'close' })).sha256).toBe(digest);
    await expect(closing.answer()).rejects.toThrow('ended early');
    const idle = await client();
    expect((await idle.get('/large')).sha256).toBe(digest);
    await expect(idle.answer()).rejects.toThrow('ended early');
  });

  test('a client that leaves closes the file at once, also the files of answers that wait behind', async () => {
    await file('large', 32 * MIB);
    const leaving = await Promise.all(Array.from({ length: 5 }, () => client()));
    for (const each of leaving) each.send(request('/large').repeat(4));
    await until(() => transfers.open === 20);
    expect(openFiles()).toBe(20);
    for (const each of leaving) each.socket.resetAndDestroy();
    await until(() => transfers.open === 0 && openFiles() === 0);
    expect((await (await client()).get('/text')).status).toBe(200);
  });

  test('a file that becomes shorter ends the connection: nothing is padded', async () => {
    await file('shrinking', 32 * MIB);
    const one = await client();
    one.send(request('/shrinking'));
    await until(() => transfers.bytes > 0);
    await truncate(join(folder, 'shrinking'), 1000);
    await expect(one.answer()).rejects.toThrow('ended early');
    await until(() => openFiles() === 0);
  });

  test('a file that is replaced during 20 downloads is sent old or new, never mixed', async () => {
    const known = new Set([await file('image', 4 * MIB)]);
    const seen = new Set<string>();
    let downloading = true;
    const replace = async () => {
      while (downloading) {
        known.add(await file('image.next', 4 * MIB));
        await rename(join(folder, 'image.next'), join(folder, 'image'));
      }
    };
    const download = async () => {
      const one = await client();
      for (let count = 0; count < 5; count += 1) seen.add((await one.get('/image')).sha256);
    };
    const replacing = replace();
    await Promise.all(Array.from({ length: 20 }, download));
    downloading = false;
    await replacing;
    expect([...seen].filter((digest) => !known.has(digest))).toEqual([]);
  });
});

test.each([
  ['sendfile', kernel],
  ['pooled reads', undefined],
])('a file that is overwritten in place while it is sent is cut before its end: %s', async (_, sendfile) => {
  await listen(sendfile);
  await file('image', 32 * MIB);
  await utimes(join(folder, 'image'), 1_600_000_000, 1_600_000_000);
  const one = await client();
  one.send(request('/image'));
  await until(() => transfers.bytes > 0);
  const overwritten = await open(join(folder, 'image'), 'r+');
  await overwritten.write(Buffer.alloc(MIB, 'new'), 0, MIB, 30 * MIB);
  await overwritten.close();
  await expect(one.answer()).rejects.toThrow('ended early');
  await until(() => openFiles() === 0);
});

test('a file that gets another name and other rights while it is sent arrives whole', async () => {
  await listen(kernel);
  const digest = await file('image', 32 * MIB);
  const one = await client();
  one.send(request('/image'));
  await until(() => transfers.bytes > 0);
  await chmod(join(folder, 'image'), 0o600);
  await rename(join(folder, 'image'), join(folder, 'renamed'));
  expect((await one.answer()).sha256).toBe(digest);
});

describe('a file that sendfile cannot take', () => {
  test('goes through pooled reads instead', async () => {
    await listen(() => 'unsupported');
    const digest = await file('large', 5 * MIB);
    expect((await (await client()).get('/large')).sha256).toBe(digest);
  });

  test('a failing call ends the connection', async () => {
    await listen(() => 'failed');
    await file('large', 5 * MIB);
    await expect((await client()).get('/large')).rejects.toThrow('ended early');
    await until(() => openFiles() === 0);
  });
});

test('an answer ends with its last byte, and not when its turn comes again', async () => {
  if (kernel === undefined) return;
  const size = 2 * MIB;
  const ended: (boolean | undefined)[] = [];
  let response: ServerResponse | undefined;
  await listen((socket, descriptor, position, count) => {
    const sent = kernel(socket, descriptor, position, count);
    if (typeof sent === 'number' && position + sent === size) {
      process.nextTick(() => ended.push(response?.writableEnded));
    }
    return sent;
  }, 0);
  server.on('request', (_, res) => {
    response = res;
  });
  await file('image', size);
  const one = await client();
  for (let count = 0; count < 20; count += 1) await one.get('/image');
  expect(ended.length).toBeGreaterThan(0);
  expect(ended).not.toContain(false);
});

test('newcomers go before files only so often: files flow on under endless connections', async () => {
  await listen(kernel);
  const digest = await file('large', 8 * MIB);
  let arriving = true;
  const arrive = (): void => {
    transfers.sawConnection();
    if (arriving) setImmediate(arrive);
  };
  arrive();
  expect((await (await client()).get('/large')).sha256).toBe(digest);
  arriving = false;
});
