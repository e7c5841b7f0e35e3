/** Finding images by their names: what rkt asks, header by header, and what strangers may ask. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import { pino } from 'pino';
import { AciIndex } from '../../server/assets/aci-index.js';
import { signAssets } from '../../server/assets/sign-assets.js';
import { assetAnswers } from '../../server/http/assets.js';
import { createFailureHandler } from '../../server/http/failure.js';
import { imagesByNameRouter } from '../../server/http/images-by-name.js';
import { createTransfers } from '../../server/http/transfers.js';
import { describeWith } from '../clients/programs.js';
import { type AciSpec, buildAci } from '../fixtures/aci.js';
import { ask, scratchFolder, startServer } from '../fixtures/assets-server.js';
import { type LiveDepot, type LiveDepotOptions, startLiveDepot } from '../fixtures/live-depot.js';
import { askAsRkt, fetchAsRkt } from '../fixtures/rkt-client.js';
import { askDiscovery, discoverAsRkt, discoverKeysAsRkt } from '../fixtures/rkt-discovery.js';
import { signRequest } from '../fixtures/signing-depot.js';
import { loadTestKey, testKeyFolder } from '../fixtures/test-key.js';
import { until } from '../fixtures/until.js';
import { exchange } from './line-client.js';

const ETCD = 'example.com/coreos/etcd';
const V1 = 'coreos-etcd:v1.0.0.aci';
const V2 = 'moved/anything.aci';

let depot: LiveDepot;

/** Writes an image into the assets of a depot. */
async function put(file: string, spec: AciSpec, { folder }: LiveDepot = depot): Promise<Buffer> {
  const path = join(folder, 'assets', file);
  const bytes = await buildAci({ name: ETCD, labels: { os: 'linux', arch: 'amd64' }, ...spec });
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return bytes;
}

async function sign({ folder }: LiveDepot = depot): Promise<void> {
  await signAssets(signRequest(join(folder, 'assets'), await loadTestKey()));
}

/** A depot that publishes the test key. */
async function start(options: LiveDepotOptions = {}): Promise<LiveDepot> {
  const started = await startLiveDepot(options);
  rmSync(join(started.folder, 'keys'), { recursive: true });
  await testKeyFolder(started.folder);
  return started;
}

/** The path of a URL that points to the depot. */
function pathOf(url: string | undefined): string {
  const { pathname, search } = new URL(url ?? '');
  return decodeURI(pathname) + search;
}

describe('a depot with two versions of an image', () => {
  let v1: Buffer;
  let v2: Buffer;

  beforeAll(async () => {
    depot = await start({ settings: { publicUrl: 'http://depot.lan:8080' } });
    v1 = await put(V1, { version: 'v1.0.0' });
    v2 = await put(V2, { version: 'v2.0.0', files: { new: 'x'.repeat(100_000) } });
    await put('arm.aci', { version: 'v2.0.0', labels: { os: 'linux', arch: 'aarch64' } });
    await put('other.aci', { name: 'example.com/coreos/flannel', version: 'v0.5.0' });
    await put('elsewhere.aci', { name: 'quay.io/coreos/etcd', version: 'v3.0.0' });
    await sign();
    // The look at the start may have been before all that.
    await until(async () => (await askDiscovery(depot, ETCD)).status === 200);
    await until(async () => (await askDiscovery(depot, 'quay.io')).status === 200);
  });
  afterAll(() => depot.remove());

  test('answers the exact name with both tags, their URLs below publicUrl', async () => {
    const { status, headers, body } = await askDiscovery(depot, ETCD);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['content-length']).toBe(String(body.length));
    expect(headers).not.toHaveProperty('content-encoding');
    expect(body.toString()).toContain(
      `<meta name="ac-discovery" content="${ETCD} http://depot.lan:8080/aci-images/{os}/{arch}/{name}:{version}.{ext}">\n` +
        `<meta name="ac-discovery-pubkeys" content="${ETCD} http://depot.lan:8080/keys/pubkey.asc">\n`,
    );
  });

  test.each([
    ['the version that is asked', { version: 'v1.0.0' }, () => v1, V1],
    ['the newest where none is asked', {}, () => v2, V2],
  ])(
    'leads rkt to %s: the bytes of the file, and a signature that fits',
    async (_what, labels, bytes, file) => {
      const found = await discoverAsRkt(depot, ETCD, labels);
      expect(found.asked).toEqual([`${ETCD} 200`]);
      expect(found.signature).toBe(`${found.image}.asc`);
      const fetched = await fetchAsRkt(depot.port, pathOf(found.image));
      if (fetched.kind !== 'fetched') throw new Error(JSON.stringify(fetched));
      expect(fetched.image.equals(bytes())).toBe(true);
      const [key = ''] = found.keys;
      expect(pathOf(key)).toBe('/keys/pubkey.asc');
      const direct = await askAsRkt(depot.port, `/assets/${file}.asc`);
      expect(fetched.signature.equals(direct.body)).toBe(true);
    },
  );

  test('answers by labels as /assets does: ranges, HEAD, validators, and caches must ask each time', async () => {
    const path = `/aci-images/linux/amd64/${ETCD}:v2.0.0.aci`;
    const direct = await askAsRkt(depot.port, `/assets/${V2}`);
    const whole = await askAsRkt(depot.port, path);
    for (const header of ['etag', 'last-modified', 'content-length', 'accept-ranges', 'content-type']) {
      expect([header, whole.headers[header]]).toEqual([header, direct.headers[header]]);
    }
    expect(whole.headers['cache-control']).toBe('no-cache');
    const head = await askAsRkt(depot.port, path, {}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([
      200,
      String(v2.length),
      0,
    ]);
    const range = await askAsRkt(depot.port, path, { Range: ['bytes=10-', 'bytes=10-'] });
    expect([range.status, range.body.equals(v2.subarray(10))]).toEqual([206, true]);
    const known = await askAsRkt(depot.port, path, { 'If-None-Match': String(whole.headers.etag) });
    expect([known.status, known.body.length]).toEqual([304, 0]);
    const encoded = await askAsRkt(depot.port, path.replace(':', '%3A'));
    expect(encoded.body.equals(v2)).toBe(true);
    expect((await ask(depot.port, path, { method: 'POST' })).status).toBe(405);
  });

  test('gives another architecture its own image, and one that there is none for 404', async () => {
    const found = await discoverAsRkt(depot, ETCD, { arch: 'aarch64' });
    expect((await fetchAsRkt(depot.port, pathOf(found.image))).kind).toBe('fetched');
    const missing = await discoverAsRkt(depot, ETCD, { arch: 'ppc64le' });
    expect(await fetchAsRkt(depot.port, pathOf(missing.image))).toEqual({
      kind: 'failed',
      of: 'signature',
      status: 404,
    });
  });

  test('answers parents of names, so that a prefix can be trusted', async () => {
    for (const prefix of ['example.com/coreos', 'example.com', ETCD]) {
      const keys = await discoverKeysAsRkt(depot, prefix);
      expect(keys).toEqual(['http://depot.lan:8080/keys/pubkey.asc']);
      const { body } = await askDiscovery(depot, prefix);
      expect(body.toString()).toContain(`<meta name="ac-discovery-pubkeys" content="${prefix} http`);
    }
  });

  test('a missing name is looked for at its parents, and then is 404', async () => {
    const found = await discoverAsRkt(depot, 'example.com/coreos/gone/deep', { version: 'v1' });
    expect(found.asked).toEqual([
      'example.com/coreos/gone/deep 404',
      'example.com/coreos/gone 404',
      'example.com/coreos 200',
    ]);
    const { status, body, headers } = await askAsRkt(depot.port, pathOf(found.image));
    expect([status, body.toString(), headers['content-type']]).toEqual([
      404,
      'not found\n',
      'text/plain; charset=utf-8',
    ]);
    expect(await discoverAsRkt(depot, 'unknown.example/a')).toEqual({
      asked: ['unknown.example/a 404', 'unknown.example 404'],
      keys: [],
    });
  });

  test('a missing version is 404 for the image and for its signature', async () => {
    const found = await discoverAsRkt(depot, ETCD, { version: 'v9.9.9' });
    for (const url of [found.image, found.signature]) {
      expect((await askAsRkt(depot.port, pathOf(url))).status).toBe(404);
    }
  });

  test('HEAD has the headers of GET and no body', async () => {
    const [get, head] = [
      await askDiscovery(depot, ETCD),
      await askDiscovery(depot, ETCD, { method: 'HEAD' }),
    ];
    expect([head.status, head.body.length]).toEqual([200, 0]);
    for (const header of ['content-type', 'content-length', 'cache-control']) {
      expect(head.headers[header]).toBe(get.headers[header]);
    }
  });

  test('the host decides, without its port and in any case of letters', async () => {
    for (const hostHeader of ['example.com:8080', 'EXAMPLE.com', 'example.com:443']) {
      expect((await askDiscovery(depot, ETCD, { hostHeader })).status).toBe(200);
    }
    const name = 'quay.io/coreos/etcd';
    const found = await discoverAsRkt(depot, name, { version: 'v3.0.0' });
    expect((await fetchAsRkt(depot.port, pathOf(found.image))).kind).toBe('fetched');
    expect((await askDiscovery(depot, 'quay.io/coreos/flannel')).status).toBe(404);
  });

  test.each([
    'example.com"><script>alert(1)</script>',
    'example.com/coreos',
    "example.com'",
    'example.com&amp;',
    'user@example.com',
    'example.com:99999999',
    '[::1]',
    '..',
    '-',
    'example.com.',
    '\u00e9xample.com',
  ])('a Host header of %p is no name', async (hostHeader) => {
    const { status, body } = await askDiscovery(depot, 'example.com/coreos', { hostHeader });
    expect([status === 404 || status === 400, body.toString().includes('<')]).toEqual([true, false]);
  });

  test.each([
    '/coreos/%65tcd',
    '/coreos/etcd%00',
    '/coreos/../coreos/etcd',
    '//coreos/etcd',
    '/coreos/"><b>',
    '/coreos/Etcd',
    '/coreos%2fetcd',
    `/${'a/'.repeat(3000)}a`,
  ])('a path of %p is no name', async (path) => {
    const lines = [`GET ${path}?ac-discovery=1 HTTP/1.1`, 'Host: example.com', 'Connection: close'];
    const answer = await exchange(depot.port, `${lines.join('\r\n')}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 40[04] [^<]*$/s);
  });

  test('an HTTP/1.0 client without a Host asks for no name', async () => {
    const answer = await exchange(depot.port, 'GET /coreos/etcd?ac-discovery=1 HTTP/1.0\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  });

  test('other queries are not discovery, and other methods neither', async () => {
    expect(
      (await ask(depot.port, '/?ac-discovery=0', { headers: { Host: 'example.com' } })).body.toString(),
    ).toContain('<h1>bootdepot</h1>');
    const asset = await askAsRkt(depot.port, `/assets/${V1}?x=1`);
    expect(asset.body.equals(v1)).toBe(true);
    expect((await askDiscovery(depot, ETCD, { method: 'POST' })).status).toBe(404);
  });

  test.each([
    '/aci-images',
    '/aci-images/',
    '/aci-images/linux/amd64',
    `/aci-images/linux/amd64/${ETCD}.aci`,
    `/aci-images/linux/amd64/${ETCD}:v1.0.0`,
    `/aci-images/linux/amd64/${ETCD}:v1.0.0.sig`,
    `/aci-images/linux/amd64/${ETCD}:.aci`,
    `/aci-images/linux/amd64/../../../assets/${V1}`,
    '/aci-images/linux/amd64/..%2f..%2fkeys%2fsigning-key:x.aci',
    `/aci-images/linux/amd64/${ETCD}:v1.0.0.aci.asc.asc`,
    '/aci-images/{os}/{arch}/{name}:{version}.aci',
  ])('%s is 404', async (path) => {
    const { status, body } = await ask(depot.port, path);
    expect([status, body.toString()]).toEqual([404, 'not found\n']);
  });

  test('an encoded NUL in an address by labels is a bad request', async () => {
    expect((await ask(depot.port, `/aci-images/linux/amd64/${ETCD}:v%00.aci`)).status).toBe(400);
  });
});

describe('a depot that changes', () => {
  afterEach(() => depot.remove());

  const status = async (version: string) =>
    (await askAsRkt(depot.port, `/aci-images/linux/amd64/${ETCD}:${version}.aci`)).status;

  test('follows files that come, are replaced, renamed and go, with no restart', async () => {
    depot = await start();
    expect((await askDiscovery(depot, ETCD)).status).toBe(404);
    await put('a.aci', { version: 'v1.0.0' });
    await until(async () => (await status('v1.0.0')) === 200);
    expect((await askDiscovery(depot, ETCD)).status).toBe(200);
    renameSync(join(depot.folder, 'assets/a.aci'), join(depot.folder, 'assets/b.aci'));
    expect(await status('v1.0.0')).toBe(200);
    await put('b.aci', { version: 'v2.0.0' });
    expect([await status('v1.0.0'), await status('v2.0.0')]).toEqual([404, 200]);
    unlinkSync(join(depot.folder, 'assets/b.aci'));
    expect(await status('v2.0.0')).toBe(404);
    expect((await askDiscovery(depot, 'example.com')).status).toBe(404);
  });

  test('says nothing of keys where there are none, and shows the host that was asked without publicUrl', async () => {
    depot = await startLiveDepot();
    await put('a.aci', { version: 'v1.0.0' });
    await until(async () => (await status('v1.0.0')) === 200);
    const { body } = await askDiscovery(depot, ETCD, { hostHeader: `example.com:${depot.port}` });
    expect(body.toString()).toContain(`content="${ETCD} http://example.com:${depot.port}/aci-images/{os}`);
    expect(body.toString()).not.toContain('pubkeys');
  });

  test('has no latest where the configuration says so', async () => {
    depot = await start({ settings: { 'aci.latest': 'none' } });
    await put('a.aci', { version: 'v1.0.0' });
    await until(async () => (await status('v1.0.0')) === 200);
    expect(await status('latest')).toBe(404);
  });

  test('answers at once while 2,000 images are being read, and then finds each of them', async () => {
    depot = await start();
    await Promise.all(
      Array.from({ length: 2_000 }, (_, number) =>
        put(`${number % 10}/${number}.aci`, {
          name: `example.com/app${number}`,
          version: 'v1.0.0',
          compression: 'none',
        }),
      ),
    );
    let answeredBefore = 0;
    let found = false;
    const finding = until(async () => (await askDiscovery(depot, 'example.com/app1999')).status === 200).then(
      () => {
        found = true;
      },
    );
    while (!found) {
      expect((await ask(depot.port, '/healthz')).status).toBe(200);
      if (!found) answeredBefore += 1;
    }
    await finding;
    expect(answeredBefore).toBeGreaterThan(10);
    for (const number of [0, 999, 1_999]) {
      const path = `/aci-images/linux/amd64/example.com/app${number}:v1.0.0.aci`;
      expect((await askAsRkt(depot.port, path)).status).toBe(200);
    }
  });
});

test('a signature that is being made is put off as rkt understands it, and one of other bytes is not given', async () => {
  const { dir, remove } = scratchFolder();
  mkdirSync(dir);
  const images = new AciIndex({
    assets: { dir, symlinks: 'inside' },
    memoryPath: join(dir, '../memory'),
    latest: 'newest',
    onPassedOver: () => undefined,
    onTrouble: () => undefined,
  });
  const file = 'deep/app.aci';
  mkdirSync(join(dir, 'deep'));
  writeFileSync(join(dir, file), await buildAci({ version: 'v1', labels: { os: 'linux', arch: 'amd64' } }));
  const asked: string[] = [];
  let state: 'pending' | 'withheld' = 'pending';
  const signatureState = (name: string) => {
    asked.push(name);
    return name.endsWith('.asc') ? state : 'settled';
  };
  const options = { listing: false, symlinks: 'inside' as const, cache: [], transfers: createTransfers() };
  const app = express();
  app.use('/aci-images', imagesByNameRouter(images, assetAnswers({ dir, ...options, signatureState })));
  app.use(createFailureHandler(pino({ level: 'silent' })));
  const server = await startServer(app);
  try {
    const path = '/aci-images/linux/amd64/example.com/app:v1.aci';
    expect((await askAsRkt(server.port, `${path}.asc`)).status).toBe(202);
    expect((await askAsRkt(server.port, path)).status).toBe(200);
    state = 'withheld';
    expect((await askAsRkt(server.port, `${path}.asc`)).status).toBe(404);
    expect(new Set(asked)).toEqual(new Set([file, `${file}.asc`]));
  } finally {
    await server.stop();
    await images.stop();
    remove();
  }
});

describeWith(['openssl'], 'discovery by https', () => {
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bootdepot-discovery-'));
    const out = ['-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt')];
    const subject = ['-subj', '/CN=example.com', '-days', '2'];
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      ...subject,
      ...out,
    ]);
  });
  afterEach(() => depot.remove());
  afterAll(() => rmSync(folder, { recursive: true }));

  test('leads to https again, and to any port by publicUrl', async () => {
    const settings = {
      listen: ['https://127.0.0.1:0', '127.0.0.1:0'],
      'tls.cert': join(folder, 'tls.crt'),
      'tls.key': join(folder, 'tls.key'),
    };
    depot = await start({ settings });
    await put('a.aci', { version: 'v1.0.0' });
    const host = { port: depot.port, tls: true };
    await until(async () => (await askDiscovery(host, ETCD)).status === 200);
    const found = await discoverAsRkt(host, ETCD, { version: 'v1.0.0' });
    expect(found.asked).toEqual([`${ETCD} 200`]);
    expect(found.image).toBe(`https://example.com/aci-images/linux/amd64/${ETCD}:v1.0.0.aci`);
    expect(found.keys).toEqual(['https://example.com/keys/pubkey.asc']);
    const plain = { port: Number(/:(\d+)$/.exec(depot.urls[1] ?? '')?.[1]) };
    expect((await discoverAsRkt(plain, ETCD)).keys).toEqual(['http://example.com/keys/pubkey.asc']);
  });
});

describeWith(['gpgv'], 'what discovery leads to', () => {
  afterEach(() => depot.remove());

  test('is good for gpgv with the key that discovery leads to', async () => {
    depot = await start();
    await put('a.aci', { version: 'v1.0.0' });
    await sign();
    await until(async () => (await askDiscovery(depot, ETCD)).status === 200);
    const found = await discoverAsRkt(depot, ETCD);
    const [key] = found.keys;
    for (const [name, url] of [
      ['image.aci', found.image],
      ['image.aci.asc', found.signature],
      ['pubkey.gpg', key?.replace('.asc', '.gpg')],
    ] as const) {
      writeFileSync(join(depot.folder, name), (await askAsRkt(depot.port, pathOf(url))).body);
    }
    const args = ['--keyring', join(depot.folder, 'pubkey.gpg'), 'image.aci.asc', 'image.aci'];
    const good = () => execFileSync('gpgv', args, { cwd: depot.folder, stdio: 'pipe' });
    expect(good).not.toThrow();
    writeFileSync(join(depot.folder, 'image.aci'), 'other bytes');
    expect(good).toThrow();
  });
});
