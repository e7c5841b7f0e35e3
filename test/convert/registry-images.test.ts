/** Images by their names: in the depot's own registry, in upstreams, in any other registry. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parsePlatform } from '../../server/convert/platform.js';
import {
  convertImage,
  type ImageSource,
  openRegistry,
  openSource,
  type Registries,
} from '../../server/index.js';
import { describeWith } from '../clients/programs.js';
import { readAciTree } from '../fixtures/aci-tree.js';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { digestOf, imageOf, RegistryClient } from '../fixtures/registry-client.js';
import { freePort } from '../fixtures/running-depot.js';
import { buildTar } from '../fixtures/tar.js';
import { startUpstream, type UpstreamRegistry } from '../fixtures/upstream-registry.js';

let folder: string;
let scratch: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-named-'));
  scratch = join(folder, 'scratch');
  mkdirSync(scratch);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const layer = (name: string): Buffer =>
  gzipSync(buildTar([{ name, content: `${name} `.repeat(40_000) }]), { level: 0 });
const image = (name: string) => imageOf([layer('base'), layer(name)]);

type Known = Partial<Omit<Registries, 'config'>> & Partial<Registries['config']>;

async function open(text: string, known: Known = {}, platform?: string): Promise<ImageSource> {
  const { upstreams = {}, offline = false, ...others } = known;
  return openSource(text, {
    platform: platform === undefined ? undefined : parsePlatform(platform),
    reference: undefined,
    scratch,
    registries: async () => ({
      own: undefined,
      insecure: false,
      env: {},
      timing: { backoff: 1 },
      ...others,
      config: { upstreams, offline },
    }),
  });
}

async function treeOf(text: string, known?: Known) {
  const source = await open(text, known);
  const path = join(scratch, 'out.aci');
  try {
    await convertImage(source, { path });
    return readAciTree(path);
  } finally {
    await source.close();
    rmSync(path, { force: true });
  }
}
const namesOf = async (text: string, known?: Known): Promise<string[]> =>
  [...(await treeOf(text, known)).files.keys()].filter((name) => name !== '' && !name.startsWith('dev'));
const nameOf = async (text: string, known?: Known): Promise<string> =>
  JSON.parse((await treeOf(text, known)).manifest).name;

describe("the depot's own registry", () => {
  let depot: LiveDepot;
  let client: RegistryClient;
  let known: Known;
  beforeEach(async () => {
    depot = await startLiveDepot();
    client = new RegistryClient(depot.urls[0] ?? '');
    await client.push('team/app', 'v1', image('plain'));
    await client.push('quay.io/team/app', 'v1', image('quay'));
    await client.push('127.0.0.1_5055/lab/x', 'latest', image('port'));
    await client.push('docker.io/library/redis', 'latest', image('hub'));
    const dir = join(depot.folder, 'data/registry');
    known = { own: await openRegistry({ dir, freeSpace: 0, onDamage: () => undefined }) };
  });
  afterEach(() => depot.remove());

  test('names: plain, with the host they came from, with a port, of the hub; tags and digests', async () => {
    expect(await namesOf('team/app:v1', known)).toEqual(['base', 'plain']);
    expect(await nameOf('team/app:v1', known)).toBe('team/app');
    expect(await namesOf('quay.io/team/app:v1', known)).toEqual(['base', 'quay']);
    expect(await nameOf('quay.io/team/app:v1', known)).toBe('quay.io/team/app');
    expect(await namesOf('127.0.0.1:5055/lab/x', known)).toEqual(['base', 'port']);
    expect(await namesOf('redis', known)).toEqual(['base', 'hub']);
    expect(await namesOf(`team/app@${image('plain').digest}`, known)).toEqual(['base', 'plain']);
    expect(await namesOf(`team/app:moved@${image('plain').digest}`, known)).toEqual(['base', 'plain']);
  });

  test('a host that is no upstream may stand before a plain name; before an upstream it means that', async () => {
    expect(await namesOf('depot.lan:8080/team/app:v1', known)).toEqual(['base', 'plain']);
    const upstreams = { 'depot.lan:8080': { mirrors: [] } };
    await expect(
      open('depot.lan:8080/team/app:v1', { ...known, upstreams, offline: true }),
    ).rejects.toMatchObject({
      code: 'MANIFEST_UNKNOWN',
      message: expect.stringContaining('offline'),
    });
  });

  test('of an index the image for the platform', async () => {
    const [amd, arm] = [image('amd'), image('arm')];
    const entry = ({ manifest, digest }: typeof amd, architecture: string) => ({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest,
      size: manifest.length,
      platform: { os: 'linux', architecture },
    });
    await client.push('team/list', 'amd', amd);
    await client.push('team/list', 'arm', arm);
    const type = 'application/vnd.oci.image.index.v1+json';
    const manifests = [entry(arm, 'arm64'), entry(amd, 'amd64')];
    const index = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests });
    expect((await client.pushManifest('team/list', 'v1', index, type)).status).toBe(201);
    expect((await open('team/list:v1', known)).manifestHash).toBe(amd.digest);
    expect((await open('team/list:v1', known, 'linux/arm64')).manifestHash).toBe(arm.digest);
    expect((await open(`team/list@${digestOf(index)}`, known)).manifestHash).toBe(amd.digest);
    await expect(open('team/list:v1', known, 'linux/s390x')).rejects.toThrow(
      'there is linux/arm64, linux/amd64',
    );
  });

  test('bytes that were damaged on the disk are never converted', async () => {
    const hex = digestOf(layer('plain')).slice(7);
    const path = join(
      depot.folder,
      'data/registry/docker/registry/v2/blobs/sha256',
      hex.slice(0, 2),
      hex,
      'data',
    );
    writeFileSync(path, layer('other'));
    await expect(treeOf('team/app:v1', known)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    rmSync(path);
    await expect(treeOf('team/app:v1', known)).rejects.toMatchObject({ code: 'BLOB_UNKNOWN' });
    expect(readdirSync(scratch)).toEqual([]);
  });

  test('what is not there is said, with where else it could be', async () => {
    await expect(open('team/none:v1', known)).rejects.toMatchObject({
      code: 'MANIFEST_UNKNOWN',
      message: expect.stringContaining('docker://team/none:v1 asks its registry'),
    });
    await expect(open('docker-daemon:team/app:v1', known)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(open('./none.tar', known)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('the command finds it by --data', () => {
    const data = ['--data', join(depot.folder, 'data'), '--no-sign'];
    expect(mustBootdepot(folder, ['convert', 'quay.io/team/app:v1', ...data])).toContain(
      'assets/team-app:v1.aci',
    );
    const { status, talk } = bootdepot(folder, ['convert', 'team/none', ...data]);
    expect({ status, talk }).toEqual({ status: 1, talk: expect.stringContaining('has no team/none') });
  });
});

describe('another registry', () => {
  let upstream: UpstreamRegistry;
  let text: string;
  beforeEach(async () => {
    upstream = await startUpstream();
    upstream.put('team/app', 'v1', image('far'));
    text = `docker://${upstream.host}/team/app:v1`;
  });
  afterEach(() => upstream.stop());
  const isLayer = (url: string | undefined) => url?.endsWith(digestOf(layer('far'))) === true;

  test('by tag and digest; each blob is fetched once, and nothing is left or seen meanwhile', async () => {
    expect(await namesOf(text)).toEqual(['base', 'far']);
    expect(upstream.requests.filter(({ url }) => isLayer(url))).toHaveLength(1);
    expect(await nameOf(`docker://${upstream.host}/team/app@${image('far').digest}`)).toBe(
      `${upstream.host.replace(':', '_')}/team/app`,
    );
    const source = await open(text);
    for await (const _ of source.layers[0]?.open(undefined) ?? []) expect(readdirSync(scratch)).toEqual([]);
    await source.close();
    expect(readdirSync(scratch)).toEqual([]);
  });

  test('without a scheme only where it is an upstream', async () => {
    const upstreams = { 'quay.io': { url: upstream.url, mirrors: [] } };
    expect(await namesOf('quay.io/team/app:v1', { upstreams })).toEqual(['base', 'far']);
    expect(await namesOf('docker://quay.io/team/app:v1', { upstreams })).toEqual(['base', 'far']);
    const before = upstream.requests.length;
    await expect(open(`${upstream.host}/team/app:v1`)).rejects.toMatchObject({ code: 'MANIFEST_UNKNOWN' });
    expect(upstream.requests).toHaveLength(before);
  });

  test('a layer that is cut is gone on with; one that is always cut is an error, and nothing is left', async () => {
    const bytes = layer('far');
    let cuts = 0;
    let most = 1;
    upstream.script = (req, res, serve) => {
      if (!isLayer(req.url) || cuts >= most) return serve();
      cuts += 1;
      res.writeHead(200, { 'Content-Length': bytes.length });
      res.write(bytes.subarray(0, 1000), () => setTimeout(() => res.destroy(), 20));
    };
    expect(await namesOf(text)).toEqual(['base', 'far']);
    expect(cuts).toBe(1);
    most = Number.POSITIVE_INFINITY;
    await expect(treeOf(text)).rejects.toMatchObject({ code: 'UPSTREAM_FAILED' });
    expect(readdirSync(scratch)).toEqual([]);
    upstream.script = undefined;
    expect(await namesOf(text)).toEqual(['base', 'far']);
  });

  test('wrong bytes are refused: of a layer, of a manifest, of a digest that is asked for', async () => {
    upstream.script = (req, res, serve) => (isLayer(req.url) ? res.end(layer('fal')) : serve());
    await expect(treeOf(text)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    const byDigest = `docker://${upstream.host}/team/app@${image('far').digest}`;
    upstream.script = (req, res, serve) =>
      req.url?.includes('manifests') ? res.end(image('other').manifest) : serve();
    await expect(treeOf(byDigest)).rejects.toMatchObject({ code: 'UPSTREAM_FAILED' });
    upstream.script = undefined;
    await expect(open(`docker://${upstream.host}/team/app:none`)).rejects.toMatchObject({
      code: 'MANIFEST_UNKNOWN',
    });
    expect(readdirSync(scratch)).toEqual([]);
  });

  test('plain http is spoken with other machines only where that is asked for', async () => {
    // An address of this machine, and yet none of the loopback's.
    const far = `docker://${upstream.host.replace('127.0.0.1', '0.0.0.0')}/team/app:v1`;
    await expect(open(far)).rejects.toMatchObject({ code: 'UPSTREAM_FAILED' });
    expect(upstream.requests).toEqual([]);
    expect(await namesOf(far, { insecure: true })).toEqual(['base', 'far']);
  });

  describe('with passwords', () => {
    const SECRET = 'se:cret';
    const auth = Buffer.from(`ann:${SECRET}`).toString('base64');
    beforeEach(() => {
      upstream.script = (req, res, serve) => {
        if (req.headers.authorization === `Basic ${auth}`) return serve();
        res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end();
      };
    });
    const login = (name: string, auths: object): string => {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      writeFileSync(join(folder, name), JSON.stringify({ auths }));
      return join(folder, name);
    };

    test.each<[string, (host: string) => string]>([
      ['the host', (host) => host],
      ['an address', (host) => `https://${host}/v2/`],
      ['a part of the name', (host) => `${host}/team`],
    ])('an entry for %s', async (_, key) => {
      login('config.json', { 'other.example.com': { auth: 'eDp5' }, [key(upstream.host)]: { auth } });
      expect(await namesOf(text, { env: { DOCKER_CONFIG: folder } })).toEqual(['base', 'far']);
    });

    test('the file that is named, and the one at home; name and password apart', async () => {
      const entry = { [upstream.host]: { username: 'ann', password: SECRET } };
      const file = login('auth.json', entry);
      expect(await namesOf(text, { env: { REGISTRY_AUTH_FILE: file } })).toEqual(['base', 'far']);
      login('.docker/config.json', entry);
      expect(await namesOf(text, { env: { HOME: folder, DOCKER_CONFIG: scratch } })).toEqual(['base', 'far']);
    });

    test.each<[string, (host: string) => string]>([
      ['another part of the name', (host) => `${host}/tea`],
      ['another port', (host) => `${host}1`],
      ['nobody', () => 'other.example.com'],
    ])('an entry for %s is not shown', async (_, key) => {
      login('config.json', { [key(upstream.host)]: { auth } });
      await expect(open(text, { env: { DOCKER_CONFIG: folder } })).rejects.toMatchObject({
        code: 'UPSTREAM_FAILED',
        message: expect.stringContaining('refuses us'),
      });
      expect(upstream.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
    });

    test('a file that is none is named, its content is not', async () => {
      writeFileSync(join(folder, 'config.json'), `{"auths":{"x":{"auth":"${auth}"`);
      const error = await open(text, { env: { DOCKER_CONFIG: folder } }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('config.json'),
      });
      expect(String(error)).not.toContain(auth);
    });
  });
});

describeWith(['docker-registry'], 'live registries', () => {
  test('the same image has the same tree from bootdepot and docker-registry, asked or looked into', async () => {
    const depot = await startLiveDepot();
    const port = await freePort();
    const settings = {
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(folder, 'reference') } },
      http: { addr: `127.0.0.1:${port}` },
    };
    writeFileSync(join(folder, 'reference.yml'), JSON.stringify(settings));
    const reference = spawn('docker-registry', ['serve', join(folder, 'reference.yml')], { stdio: 'ignore' });
    try {
      const hosts = [`127.0.0.1:${depot.port}`, `127.0.0.1:${port}`];
      for (const host of hosts) {
        const client = new RegistryClient(`http://${host}`);
        for (let tries = 0; tries < 200; tries += 1) {
          if ((await client.get('').catch(() => undefined))?.ok) break;
          await new Promise((wake) => setTimeout(wake, 50));
        }
        await client.push('team/app', 'v1', image('live'));
      }
      const dir = join(depot.folder, 'data/registry');
      const own = await openRegistry({ dir, freeSpace: 0, onDamage: () => undefined });
      const expected = (await treeOf('team/app:v1', { own })).files;
      expect([...expected.keys()]).toContain('live');
      for (const host of hosts)
        expect((await treeOf(`docker://${host}/team/app:v1`)).files).toEqual(expected);
    } finally {
      reference.kill('SIGKILL');
      await depot.remove();
    }
  });
});
