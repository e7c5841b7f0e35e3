/** Images of a registry that only the proxy of the environment reaches. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { convertImage, openSource } from '../../server/index.js';
import { readAciTree } from '../fixtures/aci-tree.js';
import { imageWith } from '../fixtures/registry-images.js';
import { startUpstream, type UpstreamRegistry } from '../fixtures/upstream-registry.js';

const FAR = 'registry.example.com';
let folder: string;
let upstream: UpstreamRegistry;
let proxy: Server;
let address: string;
let asked: string[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-proxied-'));
  upstream = await startUpstream();
  upstream.put('team/app', 'v1', imageWith([{ name: 'far' }]));
  asked = [];
  proxy = createServer((req, res) => {
    const url = new URL(req.url ?? '');
    asked.push(`${req.method} ${url.origin}`);
    const forward = request(`${upstream.url}${url.pathname}`, { headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(res);
    });
    forward.on('error', () => res.destroy()).end();
  });
  // It leads to no other port than that of plain http.
  proxy.on('connect', (req, socket) => {
    asked.push(`CONNECT ${req.url}`);
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
  });
  await new Promise<void>((ready) => proxy.listen(0, '127.0.0.1', ready));
  const bound = proxy.address();
  address = `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
});
afterEach(async () => {
  proxy.closeAllConnections();
  await new Promise((closed) => proxy.close(closed));
  await upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function filesOf(insecure: boolean): Promise<string[]> {
  const source = await openSource(`docker://${FAR}/team/app:v1`, {
    platform: undefined,
    reference: undefined,
    scratch: folder,
    registries: async () => ({
      own: undefined,
      insecure,
      env: { HTTP_PROXY: address, HTTPS_PROXY: address, HOME: folder },
      timing: { backoff: 1 },
      config: { upstreams: {}, offline: false },
    }),
  });
  try {
    await convertImage(source, { path: join(folder, 'out.aci') });
    return [...readAciTree(join(folder, 'out.aci')).files.keys()];
  } finally {
    await source.close();
  }
}

test('are asked of the proxy, over https alone where nothing else was allowed', async () => {
  await expect(filesOf(false)).rejects.toMatchObject({ code: 'UPSTREAM_FAILED' });
  expect([...new Set(asked)]).toEqual([`CONNECT ${FAR}:443`]);
  expect(upstream.requests).toEqual([]);
});

test('are asked of the proxy for plain http with --insecure, too', async () => {
  expect(await filesOf(true)).toContain('far');
  expect([...new Set(asked)]).toEqual([`CONNECT ${FAR}:443`, `GET http://${FAR}`]);
  expect(upstream.requests[0]?.headers.host).toBe(FAR);
});
