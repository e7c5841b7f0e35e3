import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import supertest from 'supertest';
import { writeRktTree } from '../../server/index.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { readTar } from '../fixtures/read-tar.js';
import { loadTestKey } from '../fixtures/test-key.js';

let depot: LiveDepot;
let fingerprint: string;
const ask = (path: string, host = 'depot.lan:5000') =>
  supertest(depot.urls[0] ?? '')
    .get(`/client/${path}`)
    .set('Host', host);

beforeAll(async () => {
  depot = await startLiveDepot();
  const { certificate } = await loadTestKey();
  fingerprint = certificate.fingerprint;
  await writeFile(join(depot.folder, 'keys', `${fingerprint}.asc`), certificate.armored);
});
afterAll(() => depot.remove());

test('/client/ lists the kinds, and the home page leads there', async () => {
  const { text, headers } = await ask('').expect(200);
  expect(headers['content-type']).toBe('text/plain; charset=utf-8');
  expect(text).toMatch(/^\/client\/containerd +certs\.d/m);
  expect(text).toContain("curl 'http://depot.lan:5000/client/podman?require-signatures'");
  expect(text).not.toContain('kubernetes');
  const home = await supertest(depot.urls[0] ?? '').get('/');
  expect(home.text).toContain('<a href="/client/">');
});

test('a kind is given for the address that the machine used', async () => {
  const { text, headers } = await ask('docker-dropin').expect(200);
  expect(text).toContain("Environment=INSECURE_REGISTRY='--insecure-registry=depot.lan:5000'");
  expect(headers).toMatchObject({ 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' });
  await supertest(depot.urls[0] ?? '')
    .head('/client/docker-dropin')
    .set('Host', 'depot.lan:5000')
    .expect(200)
    .expect('Content-Length', String(text.length));
  const ipxe = await ask('ipxe').expect(200);
  expect(ipxe.text).toMatch(/^#!ipxe\n/);
});

test('the public address wins over it, and a query over both', async () => {
  const other = await startLiveDepot({ settings: { publicUrl: 'https://depot.example.com' } });
  try {
    const { text } = await supertest(other.urls[0] ?? '').get('/client/containerd');
    expect(text).toContain('server = "https://depot.example.com"');
    const told = await supertest(other.urls[0] ?? '').get('/client/containerd?registry=reg.example.com:5000');
    expect(told.text).toContain('server = "https://reg.example.com:5000"');
  } finally {
    await other.remove();
  }
});

test('a machine that came over loopback is told what that address is worth', async () => {
  expect((await ask('containerd', '127.0.0.1:8080')).text).toContain(
    '# Warning: 127.0.0.1:8080 means each machine',
  );
});

test('/client/rkt.tar is the tree that key export writes, byte for byte', async () => {
  const { body } = await ask('rkt.tar?prefix=quay.io/coreos')
    .expect(200)
    .expect('Content-Type', 'application/x-tar')
    .buffer(true)
    .parse((res, done) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () => done(null, Buffer.concat(chunks)));
    });
  const { certificate } = await loadTestKey();
  const tree = join(depot.folder, 'tree');
  const path = await writeRktTree(tree, certificate, 'quay.io/coreos');
  const [{ entry, data } = { entry: { name: '' }, data: '' }, ...others] = readTar(body).entries;
  expect(others).toEqual([]);
  expect(entry.name).toBe(`etc/rkt/trustedkeys${path.slice(tree.length)}`);
  expect(data).toBe(await readFile(path, 'utf8'));
});

test('several kinds go into one Ignition configuration, and every other form', async () => {
  const { body, headers } = await ask(
    'ignition.json?kind=containerd,rkt&kind=docker-dropin&mirror-of=quay.io',
  ).expect(200);
  expect(headers['content-type']).toBe('application/vnd.coreos.ignition+json');
  const paths = body.storage.files.map(({ path }: { path: string }) => path);
  expect(paths).toEqual([
    '/etc/containerd/certs.d/depot.lan:5000/hosts.toml',
    '/etc/containerd/certs.d/quay.io/hosts.toml',
    `/etc/rkt/trustedkeys/root.d/${fingerprint.toLowerCase()}`,
  ]);
  expect(body.systemd.units[0].dropins[0].name).toBe('40-insecure-registry.conf');
  for (const form of ['butane.bu', 'cloud-config.yaml', 'script.sh', 'files.txt', 'files.txt']) {
    await ask(`${form}?kind=containerd,rkt`).expect(200);
  }
  expect((await ask('containerd.sh')).text).toMatch(/^#!\/bin\/sh\n/);
});

test.each([
  ['nope', 404, 'not found\n'],
  ['kubernetes', 404, 'not found\n'],
  ['docker.exe', 404, 'not found\n'],
  ['ignition.json', 404, 'not found\n'],
  ['..%2fkeys', 404, 'not found\n'],
  ['ca', 404, /^there is no authority/],
  ['docker?colour=red', 400, 'there is no option "colour"\n'],
  ['docker?registry=a%0ab', 400, /^registry: expected host or host:port .*"a\\nb"\n$/],
  ['script.sh?kind=talos', 400, /^talos-depot\.yaml lies on no machine/],
  ['rkt?prefix=../../x', 400, /^--prefix: expected/],
])('%s is %d, with the reason where it is of use', async (path, status, reason) => {
  const { text, headers } = await ask(path).expect(status);
  expect(text).toMatch(reason);
  expect(headers['content-type']).toBe('text/plain; charset=utf-8');
});

test('a Host that is none is refused, and nothing is written', async () => {
  await ask('docker', "a'b").expect(400);
  await supertest(depot.urls[0] ?? '')
    .post('/client/docker')
    .expect(405);
});
