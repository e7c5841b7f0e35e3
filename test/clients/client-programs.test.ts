/** The programs themselves read what is written for them, and do what it says. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as openpgp from 'openpgp';
import { CLIENT_FORMATS, type ClientFormat } from '../../server/clients/format-names.js';
import { writeClientFiles } from '../../server/clients/write-files.js';
import { configured, fileOf, TEST_CA } from '../fixtures/client-request.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { imageOf, RegistryClient, type TestImage } from '../fixtures/registry-client.js';
import { freePort } from '../fixtures/running-depot.js';
import { loadTestKey, TEST_SECRET } from '../fixtures/test-key.js';
import { until } from '../fixtures/until.js';
import { describeWith } from './programs.js';

let folder: string;
let depot: LiveDepot;
let address: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-programs-'));
  depot = await startLiveDepot();
  address = depot.urls[0] ?? '';
});
afterAll(async () => {
  await depot.remove();
  await rm(folder, { recursive: true, force: true });
});

function run(
  program: string,
  args: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv; cwd?: string } = {},
) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 60_000,
    ...options,
  });
  return { status, text: stdout + stderr };
}

/** Writes text into a file of the test's folder. */
async function stored(name: string, text: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}

/** The files of kinds below a folder, as on a machine. */
async function machine(name: string, kinds: string, query = ''): Promise<string> {
  const root = join(folder, name);
  await mkdir(root, { recursive: true });
  const { files } = await configured(kinds, query, { address });
  await writeClientFiles(root, files);
  return root;
}

const DHCP = 'address=192.0.2.10&dhcp-range=';

describeWith(['dnsmasq'], 'dnsmasq', () => {
  test.each([
    `${DHCP}192.0.2.100,192.0.2.200&interface=eth1`,
    `${DHCP}192.0.2.0,proxy`,
    'address=2001:db8::1',
  ])('takes the text for %s', async (query) => {
    const path = await stored('dnsmasq.conf', await fileOf('dnsmasq', 'depot.conf', query));
    expect(run('dnsmasq', ['--test', '-C', path])).toEqual({
      status: 0,
      text: 'dnsmasq: syntax check OK.\n',
    });
  });

  test('answers the one kind of address, and does not ask anybody for the other', async () => {
    const path = await stored('names.conf', await fileOf('dnsmasq', 'depot.conf', 'address=192.0.2.10'));
    const port = await freePort();
    const own = [
      '--no-daemon',
      '--no-resolv',
      '--no-hosts',
      '--bind-interfaces',
      '--listen-address=127.0.0.1',
    ];
    const daemon = spawn('dnsmasq', [...own, `--port=${port}`, '--user=', '--pid-file=', '-C', path], {
      stdio: 'ignore',
    });
    try {
      const resolver = new Resolver({ timeout: 500, tries: 1 });
      resolver.setServers([`127.0.0.1:${port}`]);
      const ask = () => resolver.resolve4('depot.example.com').catch(() => undefined);
      await until(async () => (await ask()) !== undefined);
      expect(await ask()).toEqual(['192.0.2.10']);
      await expect(resolver.resolve6('depot.example.com')).rejects.toMatchObject({ code: 'ENODATA' });
    } finally {
      await ended(daemon);
    }
  });
});

async function ended(child: ChildProcess): Promise<void> {
  const exit = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  await exit;
}

describeWith(['systemd-analyze'], 'systemd', () => {
  test.each(['', 'form=present'])('takes the drop-in of Docker without a word: %j', async (query) => {
    const units = join(folder, `units${query}`);
    const start = '/bin/true';
    await stored(
      `units${query}/docker.service`,
      `[Unit]\nDescription=Docker\n[Service]\nExecStart=${start}\n`,
    );
    const text = await fileOf('docker-dropin', '.conf', query);
    // The binary of CoreOS is not here, and systemd looks for it.
    await stored(
      `units${query}/docker.service.d/40-insecure-registry.conf`,
      text.replace('/usr/lib/coreos/dockerd', start),
    );
    const env = { ...process.env, SYSTEMD_UNIT_PATH: `${units}:` };
    expect(run('systemd-analyze', ['verify', 'docker.service'], { env })).toEqual({ status: 0, text: '' });
  });
});

const ALL = 'docker,docker-dropin,containerd,nerdctl,buildkit,skopeo,k3s,rkt,gpgv,matchbox';

describeWith(['ignition-validate'], 'ignition-validate', () => {
  test('takes all kinds at once without a word', async () => {
    const { rendered } = await configured(ALL, 'require-signatures&mirror-of=quay.io', {
      format: 'ignition',
    });
    expect(run('ignition-validate', [await stored('all.ign', rendered.toString())])).toEqual({
      status: 0,
      text: '',
    });
  });
});

describeWith(['sh', 'shellcheck'], 'shellcheck', () => {
  test('finds nothing in any script, and sh reads them', async () => {
    const tls = 'depot=https://depot.example.com&require-signatures';
    const made = await configured('gpgv,podman,ca', tls, { format: 'script', caFile: TEST_CA });
    const scripts = [
      await stored('all.sh', made.rendered.toString()),
      await stored('depot-fetch', await fileOf('gpgv', 'depot-fetch')),
    ];
    expect(run('shellcheck', scripts)).toEqual({ status: 0, text: '' });
    for (const path of scripts) expect(run('sh', ['-n', path])).toEqual({ status: 0, text: '' });
  });
});

describeWith(['sh', 'sha1sum', 'sha256sum', 'base64'], 'a script', () => {
  test('trusts nothing whose fingerprint it was not given, and changes nothing before', async () => {
    const tls = 'depot=https://depot.example.com&require-signatures';
    const made = await configured('rkt,podman,gpgv,ca', tls, { format: 'script', caFile: TEST_CA });
    const path = await stored('trust.sh', made.rendered.toString());
    const root = join(folder, 'trusting');
    await mkdir(root);
    const sh = (...args: string[]) => run('sh', [path, '--root', root, ...args]);
    const [key = '', ca = ''] = [...new Set(made.files.flatMap(({ trusted }) => trusted?.fingerprint ?? []))];
    expect([key.length, ca.length]).toEqual([40, 64]);

    const dry = sh('--dry-run');
    expect(dry.status).toBe(0);
    expect(dry.text).toContain(`would trust ${key}, if it is given with --fingerprint\n`);
    expect(dry.text).toContain(`would trust ${ca}, if it is given with --fingerprint\n`);
    expect(sh()).toMatchObject({
      status: 1,
      text: expect.stringMatching(/^nothing was changed: this would trust/),
    });
    expect(sh('--fingerprint', key)).toMatchObject({ status: 1, text: expect.stringContaining(ca) });
    expect(sh('--fingerprint', key, '--fingerprint', ca.replace('A', 'B')).status).toBe(1);
    expect(existsSync(join(root, 'etc'))).toBe(false);

    const spaced = key.toLowerCase().replace(/(.{4})/g, '$1 ');
    const done = sh('--fingerprint', spaced, '--fingerprint', ca.replace(/(..)(?=.)/g, '$1:'));
    expect(done.status).toBe(0);
    for (const file of made.files) {
      expect(await readFile(join(root, file.path))).toEqual(Buffer.from(file.content));
    }
    const again = sh('--fingerprint', key, '--fingerprint', ca);
    expect(again.text).toMatch(/^(?:unchanged {3}.*\n)+nothing to do\n$/);
    expect(sh('--nonsense').status).toBe(2);
  });
});

describeWith(['gpgv', 'curl', 'sh'], 'depot-fetch', () => {
  test('keeps what the key signed, and nothing else', async () => {
    const key = await loadTestKey();
    const root = await machine('fetching', 'gpgv');
    const assets = join(depot.folder, 'assets');
    await writeFile(join(assets, 'vmlinuz:v1'), 'a kernel');
    await writeFile(join(assets, 'vmlinuz:v1.sig'), await detached('a kernel'));
    await writeFile(join(assets, 'changed'), 'another');
    await writeFile(join(assets, 'changed.sig'), await detached('a kernel'));
    const env = { ...process.env, DEPOT_KEYS: join(root, 'etc/depot/keys') };
    const fetch = (path: string) => run('sh', [join(root, 'opt/bin/depot-fetch'), path], { cwd: root, env });
    // The home of gpg is not touched, and no network but the depot's: the test would hang otherwise.
    const good = spawn('sh', [join(root, 'opt/bin/depot-fetch'), 'vmlinuz:v1'], {
      cwd: root,
      env,
      stdio: 'ignore',
    });
    expect(await new Promise((done) => good.once('exit', done))).toBe(0);
    expect(await readFile(join(root, 'vmlinuz:v1'), 'utf8')).toBe('a kernel');
    const bad = spawn('sh', [join(root, 'opt/bin/depot-fetch'), 'changed'], {
      cwd: root,
      env,
      stdio: 'ignore',
    });
    expect(await new Promise((done) => bad.once('exit', done))).toBe(1);
    expect(existsSync(join(root, 'changed'))).toBe(false);
    expect(fetch('').status).not.toBe(0);
    expect(key.certificate.fingerprint).toHaveLength(40);
  });
});

async function secretKey() {
  return openpgp.readPrivateKey({ armoredKey: await readFile(TEST_SECRET, 'utf8') });
}

async function detached(text: string): Promise<Uint8Array> {
  const message = await openpgp.createMessage({ binary: Buffer.from(text) });
  return openpgp.sign({ message, signingKeys: await secretKey(), detached: true, format: 'binary' });
}

/** Containers simple signing, as facts of an image under a name. */
async function simpleSignature(digest: string, reference: string): Promise<Uint8Array> {
  const payload = {
    critical: {
      type: 'atomic container signature',
      image: { 'docker-manifest-digest': digest },
      identity: { 'docker-reference': reference },
    },
    optional: {},
  };
  const message = await openpgp.createMessage({ binary: Buffer.from(JSON.stringify(payload)) });
  return openpgp.sign({ message, signingKeys: await secretKey(), format: 'binary' });
}
