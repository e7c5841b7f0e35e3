/** One open file for an answer: what happens when files are replaced, clients leave, and requests are pipelined. */
import fs, { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import express from 'express';
import request from 'supertest';
import { answerFile, type FileAnswers } from '../../server/http/file-answer.js';
import { createTransfers } from '../../server/http/transfers.js';
import { etagOf, findAsset } from '../../server/index.js';
import { ask, assetsApp, type RunningServer, scratchFolder, startServer } from '../fixtures/assets-server.js';

const { dir, remove } = scratchFolder();
const LENGTH = 3_000_000;
let server: RunningServer;

/** Replaces a file as careful writers do: a file beside it is renamed over it. */
function replace(name: string, content: Buffer): void {
  writeFileSync(join(dir, '.next'), content);
  renameSync(join(dir, '.next'), join(dir, name));
}

beforeAll(async () => {
  mkdirSync(dir);
  server = await startServer(assetsApp(dir));
});

beforeEach(() => {
  writeFileSync(join(dir, 'file.img'), Buffer.alloc(LENGTH, 'a'));
});

afterAll(async () => {
  await server.stop();
  remove();
});

test('serve-static opens no file: the answer has the only one', async () => {
  const open = jest.spyOn(fs, 'open');
  const stream = jest.spyOn(fs, 'createReadStream');
  const answer = await ask(server.port, '/assets/file.img');
  expect(answer.body.equals(Buffer.alloc(LENGTH, 'a'))).toBe(true);
  expect(stream).toHaveBeenCalledTimes(1);
  expect(open).not.toHaveBeenCalled();
  jest.restoreAllMocks();
});

describe('a file that is replaced', () => {
  /** Asks for a file that is replaced between its opening and its description. */
  async function askWhileReplaced(successor: Buffer, range?: string) {
    const find = () => findAsset({ dir, symlinks: 'inside' }, { parts: ['file.img'], folder: false });
    let replaced = false;
    const answers: FileAnswers = {
      dir,
      transfers: createTransfers(),
      cacheControl: () => {
        if (!replaced) replace('file.img', successor);
        replaced = true;
        return 'no-cache';
      },
    };
    const app = express();
    let attempts = 0;
    app.use(async (req, res) => {
      for (let answered = false; !answered; ) {
        attempts += 1;
        expect([res.getHeaderNames(), res.statusCode]).toEqual([['x-powered-by'], 200]);
        answered = await answerFile(req, res, await find(), answers);
      }
    });
    const { stats } = await find();
    const answer = await request(app)
      .get('/')
      .set(range === undefined ? {} : { Range: range })
      .buffer();
    return { answer, attempts, opened: etagOf(stats), successor: etagOf((await find()).stats) };
  }

  test.each([0, 5, LENGTH, LENGTH + 5])(
    'by %d bytes just after it was opened is sent as it was',
    async (size) => {
      const { answer, attempts, opened } = await askWhileReplaced(Buffer.alloc(size, 'b'));
      expect([answer.status, attempts, answer.headers.etag]).toEqual([200, 1, opened]);
      expect(answer.body.equals(Buffer.alloc(LENGTH, 'a'))).toBe(true);
    },
  );

  test('by a longer one keeps its own size in Content-Range', async () => {
    const { answer, opened } = await askWhileReplaced(Buffer.alloc(LENGTH + 5, 'b'), 'bytes=0-9');
    expect([answer.status, answer.body.toString(), answer.headers.etag]).toEqual([
      206,
      'a'.repeat(10),
      opened,
    ]);
    expect(answer.headers['content-range']).toBe(`bytes 0-9/${LENGTH}`);
  });

  test.each([
    ['shorter', 10, 'bytes=100-', 416, 'bytes */10'],
    ['longer', LENGTH + 5, `bytes=${LENGTH}-`, 206, `bytes ${LENGTH}-${LENGTH + 4}/${LENGTH + 5}`],
  ])(
    'by a %s one that decides the range otherwise is looked at anew',
    async (_, size, range, status, field) => {
      const { answer, attempts } = await askWhileReplaced(Buffer.alloc(size, 'b'), range);
      expect([answer.status, attempts, answer.headers['content-range']]).toEqual([status, 2, field]);
    },
  );

  test('all the time while clients download it never gives a mixed body, nor one that its tag is not of', async () => {
    const letters = ['a', 'b', 'c', 'd'];
    const letterOf = new Map<string, string>();
    let rounds = 0;
    let done = false;
    const replacing = (async () => {
      while (!done) {
        const letter = letters[rounds % letters.length] ?? 'a';
        replace('file.img', Buffer.alloc(LENGTH - rounds, letter));
        rounds += 1;
        await pause(2);
      }
    })();
    const download = async (): Promise<void> => {
      const answer = await ask(server.port, '/assets/file.img');
      expect(answer.status).toBe(200);
      const letter = String.fromCharCode(answer.body[0] ?? 0);
      expect(answer.body.equals(Buffer.alloc(answer.body.length, letter))).toBe(true);
      expect(answer.headers['content-length']).toBe(String(answer.body.length));
      const tag = String(answer.headers.etag);
      expect(letterOf.get(tag) ?? `${letter}${answer.body.length}`).toBe(`${letter}${answer.body.length}`);
      letterOf.set(tag, `${letter}${answer.body.length}`);
    };
    for (let round = 0; round < 5; round += 1) await Promise.all(Array.from({ length: 20 }, download));
    done = true;
    await replacing;
    expect(letterOf.size).toBeGreaterThan(1);
  });
});

test('clients that leave at any point leave no open file behind', async () => {
  const openFiles = (): number => readdirSync('/proc/self/fd').length;
  await ask(server.port, '/assets/file.img');
  const before = openFiles();
  for (let bytes = 0; bytes < 40; bytes += 1) {
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => {
        socket.write('GET /assets/file.img HTTP/1.1\r\nHost: x\r\n\r\n');
        if (bytes % 4 === 0) socket.resetAndDestroy();
      });
      let received = 0;
      socket.on('data', (chunk) => {
        received += chunk.length;
        if (received > bytes * 10_000) socket.destroy();
      });
      socket.on('error', () => undefined).on('close', () => resolve());
    });
  }
  for (let wait = 0; wait < 100 && openFiles() > before; wait += 1) await pause(20);
  expect(openFiles()).toBeLessThanOrEqual(before);
});

test('pipelined requests are answered in order, each with its own headers and body', async () => {
  writeFileSync(join(dir, 'small.img'), 'small');
  const { etag } = (await ask(server.port, '/assets/small.img')).headers;
  const lines = [
    'GET /assets/file.img',
    'GET /assets/small.img',
    'HEAD /assets/file.img',
    'GET /assets/missing',
    `GET /assets/small.img HTTP/1.1\r\nIf-None-Match: ${etag}`,
    'GET /assets/small.img HTTP/1.1\r\nRange: bytes=1-2',
    'GET /assets/small.img HTTP/1.1\r\nRange: bytes=9-',
    'GET /assets/file.img',
  ];
  const requests = lines.map((line) => {
    const [first, ...fields] = (line.includes(' HTTP/') ? line : `${line} HTTP/1.1`).split('\r\n');
    return [first, 'Host: x', ...fields, '', ''].join('\r\n');
  });
  const text = await new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.write(
        `${requests.join('')}GET /assets/small.img HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
    });
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
    socket.on('end', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
  const bodies: [string, string][] = [];
  let rest = text;
  for (const line of [...lines, 'GET last']) {
    const [, status = '', fields = ''] = /^HTTP\/1\.1 (\d+) [^\r]*\r\n([\s\S]*?\r\n)\r\n/.exec(rest) ?? [];
    const headEnd = rest.indexOf('\r\n\r\n') + 4;
    const hasBody = !line.startsWith('HEAD') && status !== '304';
    const length = hasBody ? Number(/content-length: (\d+)/i.exec(fields)?.[1]) : 0;
    bodies.push([status, rest.slice(headEnd, headEnd + length)]);
    rest = rest.slice(headEnd + length);
  }
  expect(rest).toBe('');
  const large = 'a'.repeat(LENGTH);
  expect(bodies.map(([status, body]) => [status, body === large ? 'large' : body.slice(0, 50)])).toEqual([
    ['200', 'large'],
    ['200', 'small'],
    ['200', ''],
    ['404', 'not found\n'],
    ['304', ''],
    ['206', 'ma'],
    ['416', 'range not satisfiable\n'],
    ['200', 'large'],
    ['200', 'small'],
  ]);
});
