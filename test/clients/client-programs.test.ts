/** The programs themselves read what is written for them, and do what it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { configured, fileOf, TEST_CA } from '../fixtures/client-request.js';
import { runProgram as run } from '../fixtures/run-program.js';
import { freePort } from '../fixtures/running-depot.js';
import { until } from '../fixtures/until.js';
import { describeWith } from './programs.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-programs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Writes text into a file of the test's folder. */
async function stored(name: string, text: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}

const DHCP = 'address=192.0.2.10&dhcp-range=';

describeWith(['dnsmasq'], 'dnsmasq', () => {
  test.each([
    `${DHCP}192.0.2.100,192.0.2.200&interface=eth1`,
    `${DHCP}192.0.2.0,proxy`,
    'address=2001:db8::1',
  ])('takes the text for %s', async (query) => {
    const path = await stored('dnsmasq.conf', await fileOf('dnsmasq', 'depot.conf', query));
    expect(await run('dnsmasq', ['--test', '-C', path])).toEqual({
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
  if (child.exitCode !== null || child.signalCode !== null) return;
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
    expect(await run('systemd-analyze', ['verify', 'docker.service'], { env })).toEqual({
      status: 0,
      text: '',
    });
  });
});

const ALL = 'docker,docker-dropin,containerd,nerdctl,buildkit,skopeo,k3s,rkt,gpgv,matchbox';

describeWith(['ignition-validate'], 'ignition-validate', () => {
  test('takes all kinds at once without a word', async () => {
    const { rendered } = await configured(ALL, 'require-signatures&mirror-of=quay.io', {
      format: 'ignition',
    });
    expect(await run('ignition-validate', [await stored('all.ign', rendered.toString())])).toEqual({
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
    expect(await run('shellcheck', scripts)).toEqual({ status: 0, text: '' });
    for (const path of scripts) expect(await run('sh', ['-n', path])).toEqual({ status: 0, text: '' });
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

    const dry = await sh('--dry-run');
    expect(dry.status).toBe(0);
    expect(dry.text).toContain(`would trust ${key}, if it is given with --fingerprint\n`);
    expect(dry.text).toContain(`would trust ${ca}, if it is given with --fingerprint\n`);
    expect(await sh()).toMatchObject({
      status: 1,
      text: expect.stringMatching(/^nothing was changed: this would trust/),
    });
    expect(await sh('--fingerprint', key)).toMatchObject({ status: 1, text: expect.stringContaining(ca) });
    expect(await sh('--fingerprint', key, '--fingerprint', ca.replace('A', 'B'))).toMatchObject({
      status: 1,
    });
    expect(existsSync(join(root, 'etc'))).toBe(false);

    const spaced = key.toLowerCase().replace(/(.{4})/g, '$1 ');
    const done = await sh('--fingerprint', spaced, '--fingerprint', ca.replace(/(..)(?=.)/g, '$1:'));
    expect(done.status).toBe(0);
    for (const file of made.files) {
      expect(await readFile(join(root, file.path))).toEqual(Buffer.from(file.content));
    }
    const again = await sh('--fingerprint', key, '--fingerprint', ca);
    expect(again.text).toMatch(/^(?:unchanged {3}.*\n)+nothing to do\n$/);
    expect(await sh('--nonsense')).toMatchObject({ status: 2 });
  });
});

describeWith(['containerd'], 'containerd', () => {
  test('takes the configuration that names the folders of registries', async () => {
    const text = await fileOf('containerd', 'config.toml', '', { existing: '' });
    const { status, text: dump } = await run('containerd', [
      '-c',
      await stored('config.toml', text),
      'config',
      'dump',
    ]);
    expect(status).toBe(0);
    expect(dump).toContain('config_path = "/etc/containerd/certs.d"');
  });
});
