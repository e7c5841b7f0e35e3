/** Ranges over HTTP: one piece, several, beyond 4 GiB. */
import { mkdirSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type Answer,
  ask,
  assetsApp,
  type RunningServer,
  scratchFolder,
  startServer,
} from '../fixtures/assets-server.js';

const { dir, remove } = scratchFolder();
const BYTES = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));
const HUGE = 6 * 2 ** 30;
const MARK_AT = 5 * 2 ** 30 + 7;
let server: RunningServer;

beforeAll(async () => {
  mkdirSync(dir);
  writeFileSync(join(dir, 'file.img'), BYTES);
  writeFileSync(join(dir, 'empty.img'), '');
  const huge = openSync(join(dir, 'huge.img'), 'w');
  writeSync(huge, 'mark', MARK_AT);
  truncateSync(join(dir, 'huge.img'), HUGE);
  server = await startServer(assetsApp(dir));
});

afterAll(async () => {
  await server.stop();
  remove();
});

const getRange = (range: string | string[], name = 'file.img') =>
  ask(server.port, `/assets/${name}`, { headers: { Range: range } });

describe('one range', () => {
  test.each([
    ['bytes=10-19', 10, 20],
    ['bytes=10-', 10, 1000],
    ['bytes=-10', 990, 1000],
    ['bytes=-5000', 0, 1000],
    ['bytes=999-5000', 999, 1000],
    ['bytes=0-0', 0, 1],
    ['bytes=0-', 0, 1000],
  ])('%s is 206 with its bytes', async (range, start, end) => {
    const answer = await getRange(range);
    expect(answer.status).toBe(206);
    expect(answer.body).toEqual(BYTES.subarray(start, end));
    expect(answer.headers).toMatchObject({
      'accept-ranges': 'bytes',
      'content-length': String(end - start),
      'content-range': `bytes ${start}-${end - 1}/1000`,
      'content-type': 'application/octet-stream',
    });
  });

  test('in two equal fields counts once', async () => {
    const answer = await getRange(['bytes=10-', 'bytes=10-']);
    expect([answer.status, answer.headers['content-range']]).toEqual([206, 'bytes 10-999/1000']);
    expect(answer.body).toEqual(BYTES.subarray(10));
  });

  test.each([
    ['bytes=1000-', 'file.img', 'bytes */1000'],
    ['bytes=-0', 'file.img', 'bytes */1000'],
    ['bytes=2000-3000,4000-', 'file.img', 'bytes */1000'],
    ['bytes=1-', 'empty.img', 'bytes */0'],
  ])('%s of %s lies beyond the end: 416', async (range, name, contentRange) => {
    const answer = await getRange(range, name);
    expect([answer.status, answer.headers['content-range']]).toEqual([416, contentRange]);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.body.toString()).toBe('range not satisfiable\n');
    expect(answer.headers).not.toHaveProperty('etag');
  });

  test.each(['bytes', 'bytes=', 'bytes=x', 'bytes=5-3', 'lines=1-2', 'bytes=0-1,x'])(
    'the malformed %s is ignored',
    async (range) => {
      const answer = await getRange(range);
      expect([answer.status, answer.headers['content-range']]).toEqual([200, undefined]);
      expect(answer.body).toEqual(BYTES);
    },
  );

  test('means nothing on HEAD', async () => {
    for (const range of ['bytes=0-1', 'bytes=5000-', 'bytes=0-1,4-5']) {
      const answer = await ask(server.port, '/assets/file.img', {
        method: 'HEAD',
        headers: { Range: range },
      });
      expect([answer.status, answer.headers['content-length']]).toEqual([200, '1000']);
    }
  });
});

/** Takes a multipart body apart, strictly: anything but delimiters, part headers and parts fails. */
function partsOf({ headers, body }: Answer): { range: string; type: string; bytes: Buffer }[] {
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(headers['content-type'] ?? '')?.[1];
  if (boundary === undefined) throw new Error(`no multipart: ${headers['content-type']}`);
  const text = `\r\n${body.toString('latin1')}`;
  const pieces = text.split(`\r\n--${boundary}`);
  expect([pieces[0], pieces.at(-1)]).toEqual(['', '--\r\n']);
  return pieces.slice(1, -1).map((piece) => {
    const [, type = '', range = '', bytes = ''] =
      /^\r\nContent-Type: (.*)\r\nContent-Range: bytes (.*)\r\n\r\n([\s\S]*)$/.exec(piece) ?? [];
    return { type, range, bytes: Buffer.from(bytes, 'latin1') };
  });
}

describe('several ranges', () => {
  test('are one multipart answer, each part with its place and type', async () => {
    const answer = await getRange('bytes=0-9, 500-509, -1');
    expect(answer.status).toBe(206);
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
    expect(answer.headers).not.toHaveProperty('content-range');
    expect(partsOf(answer)).toEqual([
      { type: 'application/octet-stream', range: '0-9/1000', bytes: BYTES.subarray(0, 10) },
      { type: 'application/octet-stream', range: '500-509/1000', bytes: BYTES.subarray(500, 510) },
      { type: 'application/octet-stream', range: '999-999/1000', bytes: BYTES.subarray(999) },
    ]);
  });

  test('in two different fields are one multipart answer too', async () => {
    expect(partsOf(await getRange(['bytes=0-0', 'bytes=2-2'])).map(({ range }) => range)).toEqual([
      '0-0/1000',
      '2-2/1000',
    ]);
  });

  test('of which one exists are that one', async () => {
    const answer = await getRange('bytes=0-9,2000-');
    expect([answer.status, answer.headers['content-range']]).toEqual([206, 'bytes 0-9/1000']);
  });

  test('that overlap, or are very many, are answered with the whole file', async () => {
    const many = Array.from({ length: 100 }, (_, index) => `${index * 3}-${index * 3}`).join(',');
    for (const range of ['bytes=0-9,5-14', `bytes=${many}`]) {
      const answer = await getRange(range);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual(BYTES);
    }
  });

  test('are answered under the conditions of the request', async () => {
    const etag = String((await ask(server.port, '/assets/file.img')).headers.etag);
    const statusOf = async (headers: Record<string, string>) =>
      (await ask(server.port, '/assets/file.img', { headers: { Range: 'bytes=0-1,4-5', ...headers } }))
        .status;
    expect(await statusOf({ 'If-Range': etag })).toBe(206);
    expect(await statusOf({ 'If-Range': '"x"' })).toBe(200);
    expect(await statusOf({ 'If-None-Match': etag })).toBe(304);
    expect(await statusOf({ 'If-Match': '"x"' })).toBe(412);
  });
});

test('any two pieces come with exactly their bytes', async () => {
  const offset = fc.integer({ min: 0, max: 999 });
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(offset, { minLength: 4, maxLength: 4 }), async (offsets) => {
      const [a = 0, b = 0, c = 0, d = 0] = offsets.sort((one, other) => one - other);
      const parts = partsOf(await getRange(`bytes=${c}-${d},${a}-${b}`));
      expect(parts.map(({ bytes }) => bytes)).toEqual([BYTES.subarray(c, d + 1), BYTES.subarray(a, b + 1)]);
    }),
    { numRuns: 50 },
  );
});

describe('beyond 4 GiB', () => {
  test('the length and every kind of range are right', async () => {
    const head = await ask(server.port, '/assets/huge.img', { method: 'HEAD' });
    expect(head.headers['content-length']).toBe(String(HUGE));
    const marked = await getRange(`bytes=${MARK_AT}-${MARK_AT + 3}`, 'huge.img');
    expect([marked.body.toString(), marked.headers['content-range']]).toEqual([
      'mark',
      `bytes ${MARK_AT}-${MARK_AT + 3}/${HUGE}`,
    ]);
    const open = await getRange(`bytes=${HUGE - 3}-`, 'huge.img');
    expect(open.body).toEqual(Buffer.alloc(3));
    const suffix = await getRange('bytes=-5', 'huge.img');
    expect(suffix.headers['content-range']).toBe(`bytes ${HUGE - 5}-${HUGE - 1}/${HUGE}`);
    const beyond = await getRange(`bytes=${HUGE}-`, 'huge.img');
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, `bytes */${HUGE}`]);
    const parts = partsOf(await getRange(`bytes=0-0,${MARK_AT}-${MARK_AT + 3}`, 'huge.img'));
    expect(parts.map(({ bytes }) => bytes.toString())).toEqual(['\0', 'mark']);
  });
});
