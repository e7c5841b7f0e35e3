/** Programs that pull with nothing but what is written for them: mirrors, refusals, signatures. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as openpgp from 'openpgp';
import { writeClientFiles } from '../../server/index.js';
import { configured } from '../fixtures/client-request.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { imageOf, RegistryClient, type TestImage } from '../fixtures/registry-client.js';
import { runProgram as run } from '../fixtures/run-program.js';
import { TEST_SECRET } from '../fixtures/test-key.js';
import { until } from '../fixtures/until.js';
import { describeWith } from './programs.js';

const AS_ROOT = { name: 'root', present: process.getuid?.() === 0 };

let folder: string;
let depot: LiveDepot;
let registry: string;
let image: TestImage;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-pulls-'));
  depot = await startLiveDepot();
  registry = `127.0.0.1:${depot.port}`;
  image = imageOf(['a layer']);
  await new RegistryClient(depot.urls[0] ?? '').push('quay.io/coreos/hello', 'v1', image);
});
afterAll(async () => {
  await depot.remove();
  await rm(folder, { recursive: true, force: true });
});

/** The files of a kind below a folder, as on a machine. */
async function machine(kind: string, query = ''): Promise<string> {
  const root = join(folder, kind);
  await mkdir(root);
  const { files } = await configured(kind, query, { address: `http://${registry}` });
  await writeClientFiles(root, files);
  return root;
}

async function secretKey() {
  return openpgp.readPrivateKey({ armoredKey: await readFile(TEST_SECRET, 'utf8') });
}

describeWith(['gpgv', 'curl', 'sh'], 'depot-fetch', () => {
  test('keeps what the key signed, and nothing else', async () => {
    const root = await machine('gpgv');
    const assets = join(depot.folder, 'assets');
    const message = await openpgp.createMessage({ binary: Buffer.from('a kernel') });
    const signing = { message, signingKeys: await secretKey(), detached: true } as const;
    const signature = await openpgp.sign({ ...signing, format: 'binary' });
    for (const name of ['vmlinuz:v1', 'changed']) await writeFile(join(assets, `${name}.sig`), signature);
    await writeFile(join(assets, 'vmlinuz:v1'), 'a kernel');
    await writeFile(join(assets, 'changed'), 'another');
    const env = { ...process.env, DEPOT_KEYS: join(root, 'etc/depot/keys') };
    const fetch = (...args: string[]) =>
      run('sh', [join(root, 'opt/bin/depot-fetch'), ...args], { cwd: root, env });

    const good = await fetch('vmlinuz:v1');
    expect(good.text).toContain('gpgv: Good signature');
    expect(good.status).toBe(0);
    expect(await readFile(join(root, 'vmlinuz:v1'), 'utf8')).toBe('a kernel');
    expect(await fetch('changed')).toMatchObject({
      status: 1,
      text: expect.stringContaining('BAD signature'),
    });
    expect(existsSync(join(root, 'changed'))).toBe(false);
    expect(await fetch()).toMatchObject({ text: expect.stringContaining('usage: depot-fetch PATH') });
  });
});

describeWith(['skopeo'], 'skopeo', () => {
  let root: string;
  let lookaside: string;
  beforeAll(async () => {
    // Signatures lie among the assets here: where they are is a matter of the address alone.
    const query = `depot=http://${registry}/assets&registry=${registry}&mirror-of=quay.io&require-signatures`;
    root = await machine('skopeo', query);
    const policy = join(root, 'etc/containers/policy.json');
    await writeFile(policy, (await readFile(policy, 'utf8')).replaceAll('/etc/', `${root}/etc/`));
    lookaside = join(depot.folder, 'assets/lookaside');
  });

  function pull(source: string) {
    const etc = join(root, 'etc/containers');
    const settings = ['--policy', join(etc, 'policy.json'), '--registries.d', join(etc, 'registries.d')];
    const conf = ['--registries-conf', join(etc, 'registries.conf.d/50-depot.conf')];
    return run('skopeo', [...settings, ...conf, 'copy', `docker://${source}`, `dir:${join(folder, 'out')}`]);
  }

  /** Puts a signature of the image under a name where clients look for it. */
  async function sign(reference: string): Promise<void> {
    const critical = {
      type: 'atomic container signature',
      image: { 'docker-manifest-digest': image.digest },
      identity: { 'docker-reference': reference },
    };
    const binary = Buffer.from(JSON.stringify({ critical, optional: {} }));
    const message = await openpgp.createMessage({ binary });
    const signature = await openpgp.sign({ message, signingKeys: await secretKey(), format: 'binary' });
    const path = join(lookaside, `quay.io/coreos/hello@${image.digest.replace(':', '=')}/signature-1`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, signature);
  }

  test('refuses what is not signed, or signed as something else, and takes what is', async () => {
    expect(await pull('quay.io/coreos/hello:v1')).toMatchObject({
      status: 1,
      text: expect.stringContaining('A signature was required, but no signature exists'),
    });
    await sign('example.com/other:v1');
    expect(await pull('quay.io/coreos/hello:v1')).toMatchObject({
      status: 1,
      text: expect.stringContaining('is not accepted'),
    });
    await sign(`${registry}/quay.io/coreos/hello:v1`);
    for (const name of ['quay.io/coreos/hello:v1', `${registry}/quay.io/coreos/hello:v1`]) {
      expect(await pull(name)).toMatchObject({ status: 0 });
    }
  });

  test('never asks the registry that the depot stands in for', async () => {
    const { status, text } = await pull('quay.io/coreos/none:v1');
    expect(status).toBe(1);
    expect(text).toMatch(/registry quay\.io is blocked/);
  });
});

describeWith(['containerd', 'ctr', AS_ROOT], 'containerd', () => {
  test('pulls through hosts.toml what it takes for an image of quay.io', async () => {
    const root = await machine('containerd', 'mirror-of=quay.io');
    const socket = join(folder, 'containerd.sock');
    const config = join(folder, 'containerd.toml');
    const lines = ['version = 2', `root = "${folder}/root"`, `state = "${folder}/state"`];
    const plugins = ['disabled_plugins = ["io.containerd.grpc.v1.cri"]', '[grpc]', `address = "${socket}"`];
    await writeFile(config, [...lines, ...plugins].join('\n'));
    const daemon = spawn('containerd', ['--config', config], { stdio: 'ignore' });
    try {
      await until(() => existsSync(socket));
      const hosts = ['--hosts-dir', join(root, 'etc/containerd/certs.d')];
      const fetch = (name: string) =>
        run('ctr', ['--address', socket, 'content', 'fetch', ...hosts, '--all-platforms', name]);
      const pulled = await fetch('quay.io/coreos/hello:v1');
      expect(pulled.text).toContain(image.digest);
      expect(pulled.status).toBe(0);
      // What the depot has not is asked of nobody else.
      const { status, text } = await fetch('quay.io/coreos/none:v1');
      expect(status).toBe(1);
      expect(text).toContain('quay.io/coreos/none:v1: not found');
      expect([...new Set(text.match(/ host="?[^\s"]+/g))]).toEqual([` host="${registry}`]);
    } finally {
      const exit = new Promise((done) => daemon.once('exit', done));
      daemon.kill('SIGTERM');
      await exit;
    }
  });
});
