/** Mirrors between real registries, filled and read by skopeo, over a way that fails as it can. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { findSet } from '../../server/mirror/sets.js';
import { type EndedCommand, mustBootdepot } from '../fixtures/command.js';
import {
  type FaultyProxy,
  type PassOptions,
  type ProxyScript,
  startFaultyProxy,
} from '../fixtures/faulty-proxy.js';
import { writeImage, writeIndex, writeLayout, writeList } from '../fixtures/oci-layout.js';
import { imageOf, OCI_IMAGE, RegistryClient } from '../fixtures/registry-client.js';
import { freePort, type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { buildTar } from '../fixtures/tar.js';
import { testKeyFolder } from '../fixtures/test-key.js';
import { mirror, outcomes } from '../mirror/mirror-job.js';
import { describeWith } from './programs.js';

let folder: string;
let upstreamPort: number;
let reference: ChildProcess;
let proxy: FaultyProxy;
let depot: RunningDepot | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-mirrors-'));
  depot = undefined;
});
afterEach(async () => {
  await depot?.stop();
  await proxy.stop();
  reference.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function startReference(): Promise<void> {
  upstreamPort = await freePort();
  const config = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(folder, 'upstream') } },
    http: { addr: `127.0.0.1:${upstreamPort}` },
  };
  writeFileSync(join(folder, 'upstream.yml'), JSON.stringify(config));
  reference = spawn('docker-registry', ['serve', join(folder, 'upstream.yml')], { stdio: 'ignore' });
  const client = new RegistryClient(`http://127.0.0.1:${upstreamPort}`);
  for (let tries = 0; !(await client.get('').catch(() => undefined))?.ok; tries += 1) {
    if (tries === 400) throw new Error('docker-registry does not answer');
    await new Promise((wake) => setTimeout(wake, 50));
  }
  proxy = await startFaultyProxy(upstreamPort);
}

/** Beside us, because the proxy answers from here. */
async function runProgram(program: string, ...args: string[]): Promise<EndedCommand> {
  const child = spawn(program, args, {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, talk] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    talk += chunk.toString();
  });
  const [status] = await once(child, 'close');
  return { status, out, talk };
}

async function skopeo(...args: string[]): Promise<string> {
  const { status, out, talk } = await runProgram('skopeo', ...args);
  if (status !== 0) throw new Error(talk);
  return out;
}

const layer = (name: string): Buffer =>
  gzipSync(buildTar([{ name, content: `${name} `.repeat(30_000) }]), { level: 0 });
const fill = (source: string, name: string) =>
  skopeo(
    'copy',
    '--all',
    '--dest-tls-verify=false',
    `oci:${join(folder, source)}`,
    `docker://127.0.0.1:${upstreamPort}/${name}`,
  );
const digestAt = async (name: string, port: number): Promise<string> =>
  (
    await skopeo(
      'inspect',
      '--tls-verify=false',
      '--format',
      '{{.Digest}}',
      `docker://127.0.0.1:${port}/${name}`,
    )
  ).trim();

/** Wants a token, is busy now and then, lies once, and cuts each blob once. */
function failing(): ProxyScript {
  let requests = 0;
  let lies = 1;
  const cut = new Set<string>();
  const faultOf = (url: string): PassOptions => {
    if (lies > 0) {
      lies -= 1;
      return { alter: (chunk) => Buffer.alloc(chunk.length, 'lie') };
    }
    if (cut.has(url)) return {};
    cut.add(url);
    return { cutAfter: 50_000 };
  };
  return (req, res, pass) => {
    requests += 1;
    const url = req.url ?? '';
    if (url.startsWith('/token')) return res.end(JSON.stringify({ token: 'let-me-in' }));
    if (req.headers.authorization !== 'Bearer let-me-in') {
      const challenge = `Bearer realm="http://${proxy.host}/token",service="test"`;
      return res.writeHead(401, { 'WWW-Authenticate': challenge }).end();
    }
    if (requests % 7 === 0) return res.writeHead(429, { 'Retry-After': '0' }).end();
    pass(req.method === 'GET' && url.includes('/blobs/') ? faultOf(url) : {});
  };
}

describeWith(['docker-registry', 'skopeo'], 'a registry that fails as it can', () => {
  test('tokens, 429, cuts and lies: after some runs every image is whole, with the digests of the source', async () => {
    await startReference();
    writeLayout(join(folder, 'one'), { layers: [layer('base'), layer('one')] });
    const platform = (architecture: string) => ({ descriptor: { platform: { os: 'linux', architecture } } });
    const list = join(folder, 'list');
    const children = ['amd64', 'arm64'].map((each) =>
      writeImage(list, {
        layers: [layer('base'), layer(each)],
        config: { architecture: each },
        ...platform(each),
      }),
    );
    writeIndex(list, [writeList(list, children)]);
    await fill('one', 'team/one:v1');
    await fill('list', 'team/list:v1');

    proxy.script = failing();
    const images = [`${proxy.host}/team/one:v1`, `${proxy.host}/team/list:v1`];
    const job = { images, rename: ['basename'], timing: { backoff: 1 } };
    const first = await mirror(folder, job);
    expect(
      first.images.some(({ error }) => /other bytes than were asked for/.test(error?.message ?? '')),
    ).toBe(true);
    await mirror(folder, job);
    expect(outcomes(await mirror(folder, job))).toEqual({ 'list:v1': 'unchanged', 'one:v1': 'unchanged' });

    depot = await startDepot(['assets', 'keys', 'data'].flatMap((name) => [`--${name}`, join(folder, name)]));
    for (const name of ['one:v1', 'list:v1']) {
      expect(await digestAt(name, depot.port)).toBe(await digestAt(`team/${name}`, upstreamPort));
      const from = `docker://127.0.0.1:${depot.port}/${name}`;
      await skopeo(
        'copy',
        '--all',
        '--src-tls-verify=false',
        from,
        `dir:${join(folder, `back-${name.slice(0, 3)}`)}`,
      );
    }
  }, 60_000);

  test('from one docker-registry to another, and into a layout that skopeo reads', async () => {
    await startReference();
    writeLayout(join(folder, 'one'), { layers: [layer('base'), layer('one')] });
    await fill('one', 'team/one:v1');
    const images = [`127.0.0.1:${upstreamPort}/team/one:v1`];
    const job = { images, to: `docker://${proxy.host}/copies`, rename: ['basename'] };
    expect(outcomes(await mirror(folder, job))).toEqual({ 'one:v1': 'new' });
    expect(outcomes(await mirror(folder, job))).toEqual({ 'one:v1': 'unchanged' });
    const digest = await digestAt('team/one:v1', upstreamPort);
    expect(await digestAt('copies/one:v1', upstreamPort)).toBe(digest);

    const layout = join(folder, 'layout');
    await mirror(folder, { images, to: `oci:${layout}`, rename: ['basename'] });
    expect((await skopeo('inspect', '--format', '{{.Digest}}', `oci:${layout}:one:v1`)).trim()).toBe(digest);
  }, 60_000);
});

async function headOf(port: number, name: string, reference: string): Promise<string | null> {
  const client = new RegistryClient(`http://127.0.0.1:${port}`);
  const answer = await client.ask('HEAD', `${name}/manifests/${reference}`, undefined, { Accept: OCI_IMAGE });
  return answer.headers.get('docker-content-digest');
}

function sourceDigest(image: string): Promise<string | null> {
  const [name = '', tag = ''] = image.slice(image.indexOf('/') + 1).split(':');
  return headOf(upstreamPort, name, tag);
}

describeWith(['docker-registry', 'skopeo'], 'the old script', () => {
  test('its eight images by one command without root, by their basenames; two of them become signed ACIs', async () => {
    await startReference();
    const { images } = await findSet('k8s-1.3.6');
    writeLayout(join(folder, 'image'), { layers: [layer('base'), layer('kubernetes')] });
    const [hyperkube, ...others] = images.map((image) => image.slice(image.indexOf('/') + 1));
    await fill('image', hyperkube ?? '');
    const client = new RegistryClient(`http://127.0.0.1:${upstreamPort}`);
    for (const other of others) {
      const [name = '', tag = ''] = other.split(':');
      await client.push(name, tag, imageOf([layer('base'), layer(name)]));
    }
    const url = `http://${proxy.host}`;
    const place = join(folder, 'depot');
    mkdirSync(place);
    await testKeyFolder(place);
    writeFileSync(
      join(place, 'bootdepot.yaml'),
      JSON.stringify({ registry: { upstreams: { 'quay.io': { url }, 'gcr.io': { url } } } }),
    );
    const command = ['dist/scripts/bootdepot.js', 'mirror', '--set', 'k8s-1.3.6', '--rename', 'basename'];
    const folders = ['--data', join(place, 'data'), '--config', join(place, 'bootdepot.yaml')];
    const { status, out, talk } = await runProgram(process.execPath, ...command, ...folders);
    expect(talk).toBe('');
    expect(status).toBe(0);
    expect(out).toContain('8 images: 8 new');

    depot = await startDepot(['assets', 'keys', 'data'].flatMap((name) => [`--${name}`, join(place, name)]));
    const digests: string[] = [];
    const pulled: Record<string, string[]> = {};
    for (const image of images) {
      const [name = '', tag = ''] = image.slice(image.lastIndexOf('/') + 1).split(':');
      pulled[name] = [tag];
      digests.push((await headOf(depot.port, name, tag)) ?? '');
    }
    expect(digests).toEqual(await Promise.all(images.map((image) => sourceDigest(image))));
    const list = { [`127.0.0.1:${depot.port}`]: { 'tls-verify': false, images: pulled } };
    writeFileSync(join(folder, 'pull.yaml'), JSON.stringify(list));
    await skopeo('sync', '--src', 'yaml', '--dest', 'dir', join(folder, 'pull.yaml'), folder);
    expect(
      readdirSync(folder).filter((each) => images.some((image) => image.endsWith(`/${each}`))),
    ).toHaveLength(8);
    const wanted = ['hyperkube:v1.3.6_coreos.0', 'pause-amd64:3.0'];
    mustBootdepot(place, ['convert', ...wanted]);
    const verified = mustBootdepot(place, ['verify']);
    expect(verified).toContain('2 files: 2 good');
  }, 120_000);
});
