/** Slow pushes and silent ones. */
import { once } from 'node:events';
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { createRegistryHandler } from '../../../server/http/registry/handler.js';
import { createHotBlobs } from '../../../server/http/registry/hot-blobs.js';
import { createHotManifests } from '../../../server/http/registry/hot-manifests.js';
import { UploadSlots } from '../../../server/http/registry/upload-slots.js';
import { createTransfers } from '../../../server/http/transfers.js';
import { Access, loadConfig, openRegistry, PullThrough } from '../../../server/index.js';
import { digestOf, RegistryClient } from '../../fixtures/registry-client.js';

const SILENCE_MS = 500;
const PIECE = Buffer.alloc(1000, 'piece');

let folder: string;
let server: Server;
let port: number;
let silenceMs: number;
beforeEach(async () => {
  silenceMs = SILENCE_MS;
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-slow-push-'));
  const { config } = await loadConfig({ env: {}, flags: [] });
  const registry = await openRegistry({ dir: folder, onDamage: () => undefined, freeSpace: 0 });
  const face = {
    registry,
    pullThrough: new PullThrough({ registry, config: config.registry }),
    transfers: createTransfers(),
    logger: pino({ level: 'silent' }),
    access: await Access.open(config.registry, () => undefined),
    deletes: false,
    publicUrl: undefined,
    hotManifests: createHotManifests(registry, 0),
    hotBlobs: createHotBlobs(registry),
    slots: new UploadSlots(4, 4),
    get silenceMs() {
      return silenceMs;
    },
  };
  server = createServer({ requestTimeout: 0 }, createRegistryHandler(face)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  port = typeof address === 'object' ? (address?.port ?? 0) : 0;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

test('checklist 19: a push that is slow and goes on succeeds, however long it takes', async () => {
  const client = new RegistryClient(`http://127.0.0.1:${port}`);
  const path = await client.begin('slow');
  const req = request({ host: '127.0.0.1', port, method: 'PATCH', path });
  const pieces = 16;
  for (let sent = 0; sent < pieces; sent += 1) {
    req.write(PIECE);
    await new Promise((wake) => setTimeout(wake, SILENCE_MS / 5));
  }
  req.end();
  const [answer] = await once(req, 'response');
  answer.resume();
  expect(answer.statusCode).toBe(202);
  const whole = Buffer.concat(Array.from({ length: pieces }, () => PIECE));
  expect((await client.ask('PUT', `${path}?digest=${digestOf(whole)}`)).status).toBe(201);
});

test('checklist 19: a push that goes silent is cut; what came stays, and the client goes on from there', async () => {
  const client = new RegistryClient(`http://127.0.0.1:${port}`);
  const path = await client.begin('silent');
  const req = request({ host: '127.0.0.1', port, method: 'PATCH', path });
  req.write(PIECE);
  const [error] = await once(req, 'error');
  expect(error).toMatchObject({ code: 'ECONNRESET' });
  let range = '';
  for (let tries = 0; range !== '0-999' && tries < 50; tries += 1) {
    range = (await client.get(path)).headers.get('range') ?? '';
    await new Promise((wake) => setTimeout(wake, 20));
  }
  expect(range).toBe('0-999');
  const query = `?digest=${digestOf(Buffer.concat([PIECE, PIECE]))}`;
  expect((await client.ask('PUT', path + query, PIECE, { 'Content-Range': '1000-1999' })).status).toBe(201);
});

test.each(['PUT', 'PATCH'])(
  'the time that the server takes to read an upload again is no silence of a %s',
  async (method) => {
    const client = new RegistryClient(`http://127.0.0.1:${port}`);
    const zeros = Buffer.alloc(256 * 1024 * 1024);
    // Before the connection is made: it would not survive the time that this may take.
    const digest = digestOf(zeros);
    const path = await client.begin('again');
    const id = path.split('/').at(-1) ?? '';
    await truncate(join(folder, 'docker/registry/v2/repositories/again/_uploads', id, 'data'), zeros.length);
    silenceMs = 20;
    const answer = await client.ask(method, method === 'PUT' ? `${path}?digest=${digest}` : path, '');
    expect(answer.status).toBe(method === 'PUT' ? 201 : 202);
    expect((await client.ask('HEAD', `again/blobs/${digest}`)).status).toBe(method === 'PUT' ? 200 : 404);
  },
);
