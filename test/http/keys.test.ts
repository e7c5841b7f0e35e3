import { copyFile, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express, { type Express } from 'express';
import { pino } from 'pino';
import request from 'supertest';
import { createApp } from '../../server/http/app.js';
import { keysRouter } from '../../server/http/keys.js';
import { parseCertificates } from '../../server/openpgp/certificate.js';
import { generateKey } from '../../server/openpgp/create-key.js';
import { TEST_SECRET, testKeyFolder } from '../fixtures/test-key.js';

const OWN = 'BBC715E9FEE48A3C49CF9987B00642C1B9399657';
const MODIFIED = new Date('2024-05-06T07:08:09.750Z');
const LAST_MODIFIED = 'Mon, 06 May 2024 07:08:09 GMT';

let parent: string;
let dir: string;
let earlier: string;
let app: Express;
const refused: string[] = [];

function appFor(folder: string): Express {
  const none = express.Router();
  const keys = keysRouter({ dir: folder, onRefused: (file) => refused.push(file) });
  const pages = { assets: none, health: none, clients: none, home: none, imagesByName: none, acis: none };
  const others = { ...pages, discovery: none, lookaside: none };
  return createApp({ logger: pino({ level: 'silent' }), keys, ...others });
}

const get = (path: string, headers: Record<string, string> = {}) =>
  request(app).get(path).set(headers).buffer(true).parse(asBytes);

function asBytes(res: request.Response, done: (error: null, body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  res.on('data', (chunk: Buffer) => chunks.push(chunk));
  res.on('end', () => done(null, Buffer.concat(chunks)));
}

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'bootdepot-keys-'));
  dir = await testKeyFolder(parent);
  const userId = { name: 'Earlier', email: 'earlier@example.com' };
  const { certificate } = await generateKey({ userId, created: new Date('2014-01-01') }, new Date());
  earlier = certificate.fingerprint;
  await writeFile(join(dir, `${earlier}.asc`), certificate.armored);
  await copyFile(TEST_SECRET, join(dir, `${'D'.repeat(40)}.asc`));
  await copyFile(TEST_SECRET, join(dir, 'backup.asc'));
  await copyFile(TEST_SECRET, join(dir, `retired-${OWN}.asc`));
  await writeFile(join(dir, 'README.md'), 'hello');
  for (const fingerprint of [OWN, earlier]) {
    await utimes(join(dir, `${fingerprint}.asc`), MODIFIED, MODIFIED);
  }
  app = appFor(dir);
}, 60_000);

afterAll(() => rm(parent, { recursive: true }));

const fingerprintsIn = async (body: Buffer) =>
  (await parseCertificates(body, 'the answer')).map(({ fingerprint }) => fingerprint);

describe('a certificate', () => {
  test.each([`/keys/${OWN}.asc`, `/keys/${OWN.toLowerCase()}.asc`])('is at %s', async (path) => {
    const answer = await get(path, { 'Accept-Encoding': 'gzip' });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-cache',
      'content-length': String(answer.body.length),
      'content-type': 'application/pgp-keys',
      etag: expect.stringMatching(/^"[\w-]{20,}"$/),
      'last-modified': LAST_MODIFIED,
      'x-content-type-options': 'nosniff',
    });
    expect(answer.headers).not.toHaveProperty('content-encoding');
    expect(answer.body.toString()).toBe(await readFile(join(dir, `${OWN}.asc`), 'utf8'));
  });

  test('of an earlier key stays where it was', async () => {
    expect(await fingerprintsIn((await get(`/keys/${earlier}.asc`)).body)).toEqual([earlier]);
  });

  test('at pubkey.asc is the current one alone: one block, with its checksum line', async () => {
    const text = (await get('/keys/pubkey.asc')).body.toString();
    expect(text.match(/^-----BEGIN .*-----$/gm)).toEqual(['-----BEGIN PGP PUBLIC KEY BLOCK-----']);
    expect(text).toMatch(/\n=[A-Za-z0-9+/]{4}\n-----END PGP PUBLIC KEY BLOCK-----\n$/);
    expect(await fingerprintsIn(Buffer.from(text))).toEqual([OWN]);
  });

  test('is in pubkey.gpg with the earlier ones, binary, the current one first', async () => {
    const answer = await get('/keys/pubkey.gpg');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    expect((answer.body[0] ?? 0) & 0x80).toBe(0x80);
    expect(await fingerprintsIn(answer.body)).toEqual([OWN, earlier]);
  });

  test('answers HEAD as GET, without the body', async () => {
    for (const name of ['pubkey.asc', 'pubkey.gpg', `${OWN}.asc`]) {
      const [whole, head] = [await get(`/keys/${name}`), await request(app).head(`/keys/${name}`)];
      expect(head.status).toBe(200);
      expect({ ...head.headers, date: '' }).toEqual({ ...whole.headers, date: '' });
      expect(head.text ?? '').toBe('');
    }
  });

  test('is sent whole to who asks for a range: none is offered', async () => {
    const answer = await get('/keys/pubkey.asc', { Range: 'bytes=10-' });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('accept-ranges');
  });
});

describe('conditions', () => {
  const path = `/keys/${OWN}.asc`;

  test.each([
    ['If-None-Match with the tag', 'If-None-Match', (tag: string) => tag, 304],
    ['If-None-Match with the weak tag', 'If-None-Match', (tag: string) => `"x", W/${tag}`, 304],
    ['If-None-Match with a star', 'If-None-Match', () => '*', 304],
    ['If-None-Match with another tag', 'If-None-Match', () => '"x"', 200],
    ['If-Modified-Since, not modified', 'If-Modified-Since', () => LAST_MODIFIED, 304],
    ['If-Modified-Since, modified', 'If-Modified-Since', () => 'Mon, 06 May 2024 07:08:08 GMT', 200],
    ['If-Modified-Since, no date', 'If-Modified-Since', () => 'yesterday', 200],
    ['If-Match with the tag', 'If-Match', (tag: string) => tag, 200],
    ['If-Match with the weak tag', 'If-Match', (tag: string) => `W/${tag}`, 412],
    ['If-Match with another tag', 'If-Match', () => '"x"', 412],
    ['If-Unmodified-Since, modified', 'If-Unmodified-Since', () => 'Mon, 06 May 2024 07:08:08 GMT', 412],
    ['If-Unmodified-Since, not modified', 'If-Unmodified-Since', () => LAST_MODIFIED, 200],
  ])('%s', async (_name, header, value, status) => {
    const tag = (await get(path)).headers.etag ?? '';
    const answer = await get(path, { [header]: value(tag) });
    expect(answer.status).toBe(status);
    if (status === 304) {
      expect(answer.body).toHaveLength(0);
      expect(answer.headers).toMatchObject({ etag: tag, 'last-modified': LAST_MODIFIED });
      expect(answer.headers).not.toHaveProperty('content-length');
    }
  });

  test('If-None-Match wins over If-Modified-Since', async () => {
    const headers = { 'If-None-Match': '"x"', 'If-Modified-Since': LAST_MODIFIED };
    expect((await get(path, headers)).status).toBe(200);
  });
});

describe('never served is', () => {
  test.each([
    'signing-key.asc',
    'backup.asc',
    `retired-${OWN}.asc`,
    `${'D'.repeat(40)}.asc`,
    'README.md',
    '',
    'pubkey',
    `${'E'.repeat(40)}.asc`,
    `${OWN}`,
    `${OWN}.gpg`,
    '..%2fkeys%2fsigning-key.asc',
    'x/pubkey.asc',
    'PUBKEY.ASC',
  ])('%j', async (name) => {
    const answer = await get(`/keys/${name}`);
    expect(answer.status).toBe(404);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.body.length).toBeLessThan(40);
  });

  test('a secret: not a byte of one, under any address, and what was dropped here is told', async () => {
    for (const name of ['pubkey.asc', 'pubkey.gpg', `${OWN}.asc`, `${'D'.repeat(40)}.asc`]) {
      const { body } = await get(`/keys/${name}`);
      expect(body.toString('latin1')).not.toContain('PRIVATE');
      const keys = await parseCertificates(body, name).catch(() => []);
      expect(keys.some(({ key }) => key.isPrivate())).toBe(false);
    }
    expect([...new Set(refused)].sort()).toEqual([
      join(dir, `${'D'.repeat(40)}.asc`),
      join(dir, 'backup.asc'),
    ]);
    expect(refused).toHaveLength(2);
  });
});

test.each(['post', 'put', 'delete', 'patch', 'options'] as const)('%s is not allowed', async (method) => {
  const answer = await request(app)[method]('/keys/pubkey.asc');
  expect(answer.status).toBe(405);
  expect(answer.headers.allow).toBe('GET, HEAD');
});

test('a folder without keys, or none at all, answers 404', async () => {
  const empty = join(parent, 'empty');
  await mkdir(empty);
  for (const folder of [empty, join(parent, 'missing')]) {
    for (const name of ['pubkey.asc', 'pubkey.gpg', `${OWN}.asc`]) {
      const answer = await request(appFor(folder)).get(`/keys/${name}`);
      expect([answer.status, answer.text]).toEqual([404, 'not found\n']);
    }
  }
});

test('a certificate that is taken away is gone at once, and the keyring is another', async () => {
  const before = await get('/keys/pubkey.gpg');
  await rm(join(dir, `${earlier}.asc`));
  const after = await get('/keys/pubkey.gpg', {
    'If-None-Match': before.headers.etag ?? '',
  });
  expect(after.status).toBe(200);
  expect(await fingerprintsIn(after.body)).toEqual([OWN]);
  expect((await get(`/keys/${earlier}.asc`)).status).toBe(404);
});
