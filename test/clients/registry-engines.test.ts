/** The container engines of Debian, pushing and pulling as root, without starting a container. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { digestOf, imageOf, RegistryClient, type TestImage } from '../fixtures/registry-client.js';
import { type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { until } from '../fixtures/until.js';
import { describeWith } from './programs.js';

const AS_ROOT = { name: 'root', present: process.getuid?.() === 0 };

let folder: string;
let depot: RunningDepot;
let client: RegistryClient;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-engines-'));
  depot = await startDepot(['assets', 'keys', 'data'].flatMap((name) => [`--${name}`, join(folder, name)]));
  client = new RegistryClient(depot.url);
});
afterEach(async () => {
  await depot.stop();
  rmSync(folder, { recursive: true, force: true });
});

function mustRun(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 60_000 });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status} ${stdout}${stderr}`);
  return stdout;
}

/** A layer that can be unpacked, with one file in it. */
function layer(): Buffer {
  const root = join(folder, 'rootfs');
  mkdirSync(root);
  writeFileSync(join(root, 'hello'), 'from a layer');
  const { stdout } = spawnSync('tar', ['-C', root, '-c', '.']);
  return stdout;
}

/** An image whose config says what its layer unpacks to. */
function unpackable(bytes: Buffer): TestImage {
  const rootfs = { type: 'layers', diff_ids: [digestOf(bytes)] };
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs }));
  const mediaType = 'application/vnd.oci.image.config.v1+json';
  const image = imageOf([bytes], { config: { mediaType, digest: digestOf(config), size: config.length } });
  return { ...image, blobs: [config, ...image.blobs] };
}

async function digestOfTag(name: string, tag: string): Promise<string | null> {
  return (await client.ask('HEAD', `${name}/manifests/${tag}`)).headers.get('docker-content-digest');
}

describeWith(['podman', 'tar', AS_ROOT], 'podman', () => {
  const podman = (...args: string[]) =>
    mustRun('podman', [
      ...['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'],
      ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'none', ...args],
    ]);

  test('pushes what it has imported, and pulls the same image by tag and digest', async () => {
    writeFileSync(join(folder, 'layer.tar'), layer());
    const image = `127.0.0.1:${depot.port}/podman/hello`;
    podman('import', join(folder, 'layer.tar'), `${image}:v1`);
    podman('push', '--tls-verify=false', `${image}:v1`);
    const id = podman('images', '--quiet', '--no-trunc').trim();
    podman('rmi', '--all', '--force');
    expect(podman('pull', '--quiet', '--tls-verify=false', `${image}:v1`).trim()).toBe(
      id.replace('sha256:', ''),
    );
    podman('rmi', '--all', '--force');
    const digest = await digestOfTag('podman/hello', 'v1');
    podman('pull', '--tls-verify=false', `${image}@${digest}`);
    expect(podman('images', '--quiet', '--no-trunc').trim()).toBe(id);
  });
});

describeWith(['containerd', 'ctr', 'tar', AS_ROOT], 'containerd', () => {
  let daemon: ChildProcess;
  const socket = () => join(folder, 'containerd.sock');
  const ctr = (...args: string[]) => mustRun('ctr', ['--address', socket(), 'images', ...args]);
  beforeEach(async () => {
    const config = join(folder, 'containerd.toml');
    writeFileSync(
      config,
      [
        'version = 2',
        `root = "${join(folder, 'root')}"`,
        `state = "${join(folder, 'state')}"`,
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
        '[grpc]',
        `address = "${socket()}"`,
      ].join('\n'),
    );
    daemon = spawn('containerd', ['--config', config], { stdio: 'ignore' });
    await until(() => existsSync(socket()));
  });
  afterEach(async () => {
    const ended = new Promise((end) => daemon.once('exit', end));
    daemon.kill('SIGTERM');
    await ended;
  });

  test('pulls an image, unpacks it, and pushes it under another name', async () => {
    const image = unpackable(layer());
    await client.push('containerd/hello', 'v1', image);
    const host = `127.0.0.1:${depot.port}`;
    ctr(
      'pull',
      '--plain-http',
      '--skip-verify',
      '--all-platforms',
      '--snapshotter',
      'native',
      `${host}/containerd/hello:v1`,
    );
    ctr('tag', `${host}/containerd/hello:v1`, `${host}/containerd/again:v2`);
    ctr('push', '--plain-http', `${host}/containerd/again:v2`);
    expect(await digestOfTag('containerd/again', 'v2')).toBe(image.digest);
  });
});
