import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { loadTestKey, testKeyFolder } from '../fixtures/test-key.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-client-'));
  await testKeyFolder(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('one file is printed as it is; where it goes is said beside it', () => {
  const { status, out, talk } = bootdepot(folder, [
    'client',
    'docker-dropin',
    '--registry',
    'reg.example.com:5000',
  ]);
  expect(status).toBe(0);
  expect(out).toContain(
    "\nEnvironment=INSECURE_REGISTRY='--insecure-registry=reg.example.com:5000'\nExecStart=\n",
  );
  expect(talk).toContain('/etc/systemd/system/docker.service.d/40-insecure-registry.conf, mode 0644: ');
  expect(talk).toContain('then: systemctl restart docker');
});

test('--out puts files below a folder, each with its mode; publicUrl is the address', async () => {
  await writeFile(join(folder, 'bootdepot.yaml'), 'publicUrl: http://depot.example.com:8080\n');
  const out = mustBootdepot(folder, ['client', 'rkt,gpgv', '--out', 'root']);
  const { certificate } = await loadTestKey();
  const { fingerprint } = certificate;
  expect(out.trim().split('\n')).toEqual([
    `root/etc/rkt/trustedkeys/root.d/${fingerprint.toLowerCase()}`,
    `root/etc/depot/keys/${fingerprint}.gpg`,
    'root/opt/bin/depot-fetch',
  ]);
  expect(await readFile(join(folder, `root/etc/depot/keys/${fingerprint}.gpg`))).toEqual(
    Buffer.from(certificate.binary),
  );
  expect(await readFile(join(folder, 'root/opt/bin/depot-fetch'), 'utf8')).toContain(
    'http://depot.example.com:8080/assets',
  );
});

test('--list says each kind in a line, or as JSON', () => {
  expect(mustBootdepot(folder, ['client', '--list'])).toMatch(/^containerd +certs\.d\/HOST/m);
  const kinds = JSON.parse(mustBootdepot(folder, ['client', '--list', '--json']));
  expect(kinds).toContainEqual({ name: 'kubernetes', text: expect.any(String) });
});

test.each([
  [['client'], /which kind\?/],
  [['client', 'podmann', '--registry', 'a.b'], /did you mean podman\?/],
  [['client', 'docker', '--registry', 'http://a.b'], /expected host or host:port/],
  [['client', 'docker', '--registry', 'a.b', '--require-signatures'], /only crio, podman and skopeo/],
  [['client', 'docker', '--registry', 'a.b', '--format', 'rpm'], /Allowed choices are files, ignition/],
])('%j is wrong use', (args, reason) => {
  const { status, out, talk } = bootdepot(folder, args);
  expect({ status, out }).toEqual({ status: 2, out: '' });
  expect(talk).toMatch(reason);
});

test('kubernetes gives images their names in the depot, from standard input to standard output', () => {
  const input = 'spec:\n  containers:\n    - image: nginx # here\n';
  const command = [
    resolve('dist/scripts/bootdepot.js'),
    'client',
    'kubernetes',
    '--registry',
    'reg.example.com:5000',
  ];
  const { stdout, stderr } = spawnSync(process.execPath, command, { cwd: folder, input, encoding: 'utf8' });
  expect(stdout).toBe(input.replace('nginx', 'reg.example.com:5000/docker.io/library/nginx'));
  expect(stderr).toBe('nginx -> reg.example.com:5000/docker.io/library/nginx\n');
});
