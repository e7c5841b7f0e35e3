/** The depot's own CA: what openssl, curl and skopeo say of it. */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createAuthority, issueServerCertificate, renewServerCertificate } from '../../server/index.js';
import { mustBootdepot } from '../fixtures/command.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { imageOf, RegistryClient } from '../fixtures/registry-client.js';
import { until } from '../fixtures/until.js';
import { describeWith } from './programs.js';

const run = promisify(execFile);
const DAY_MS = 24 * 60 * 60 * 1000;
const NOW = new Date();

describeWith(['openssl', 'curl', 'skopeo'], 'the CA of a depot', () => {
  let folder: string;
  let keys: string;
  let files: { cert: string; key: string };
  let depot: LiveDepot;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bootdepot-tls-'));
    keys = join(folder, 'keys');
    files = { cert: join(folder, 'tls/server.crt'), key: join(folder, 'tls/server.key') };
    mustBootdepot(folder, ['tls', 'init', '--name', 'Rack 7']);
    mustBootdepot(folder, ['tls', 'issue', 'localhost', 'depot.lan', '*.boot.lan', '127.0.0.1', '::1']);
    depot = await startLiveDepot({
      settings: {
        listen: ['https://127.0.0.1:0', '127.0.0.1:0'],
        'keys.dir': keys,
        'tls.cert': files.cert,
        'tls.key': files.key,
      },
      lookEveryMs: 50,
    });
  }, 60_000);
  afterAll(async () => {
    await depot.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const authority = () => join(keys, 'ca.crt');
  const curl = (...args: string[]) => run('curl', ['--silent', '--show-error', '--fail', ...args]);

  test('is kept like the signing key, and is not made twice', async () => {
    for (const [path, mode] of [
      [join(keys, 'ca-key.pem'), 0o600],
      [files.key, 0o600],
      [keys, 0o700],
    ] as const) {
      expect((await stat(path)).mode & 0o777).toBe(mode);
    }
    const again = createAuthority(keys, 'Other', { force: false, now: NOW });
    await expect(again).rejects.toMatchObject({ code: 'KEY_EXISTS' });
  });

  test.each([
    ['-verify_hostname', 'depot.lan'],
    ['-verify_hostname', 'n1.boot.lan'],
    ['-verify_ip', '127.0.0.1'],
    ['-verify_ip', '::1'],
  ])('issues what openssl takes for %s %s', async (option, host) => {
    const args = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', authority(), option, host];
    expect((await run('openssl', [...args, files.cert])).stdout).toContain('OK');
    await expect(run('openssl', [...args.slice(0, -1), 'other.lan', files.cert])).rejects.toThrow();
  });

  test.each(['depot.lan:8443', 'a b', '', '-x', '1.2.3', 'https://depot.lan'])(
    'issues nothing for %j',
    async (host) => {
      const issued = issueServerCertificate(
        keys,
        { cert: join(folder, 'no'), key: join(folder, 'no') },
        [host],
        NOW,
      );
      await expect(issued).rejects.toMatchObject({ code: 'USAGE' });
    },
  );

  test('is served to those who want to trust it, and its key is not', async () => {
    const { stdout } = await curl(`${depot.urls[1]}/keys/ca.crt`);
    expect(stdout).toBe(await readFile(authority(), 'utf8'));
    expect((await fetch(`${depot.urls[1]}/keys/ca-key.pem`)).status).toBe(404);
  });

  test('lets curl in, which refuses without it', async () => {
    const url = `https://localhost:${depot.port}/healthz`;
    await curl('--cacert', authority(), url);
    await expect(curl(url)).rejects.toThrow(/certificate/);
  });

  test('lets skopeo in, by certs.d', async () => {
    const image = imageOf(['by TLS']);
    await new RegistryClient(depot.urls[1] ?? '').push('team/tls', 'v1', image);
    const certs = join(folder, 'certs');
    await mkdir(certs);
    const inspect = ['inspect', '--raw', '--cert-dir', certs, `docker://127.0.0.1:${depot.port}/team/tls:v1`];
    await expect(run('skopeo', inspect)).rejects.toThrow(/x509|certificate/);
    await writeFile(join(certs, 'ca.crt'), await readFile(authority()));
    expect((await run('skopeo', inspect)).stdout).toBe(image.manifest.toString());
  });

  test('renews a certificate with its names and its key, and the server takes it up', async () => {
    const before = new X509Certificate(await readFile(files.cert));
    const late = { force: false, now: new Date(NOW.getTime() + 300 * DAY_MS) };
    expect(await renewServerCertificate(keys, files, { force: false, now: NOW })).toBeUndefined();
    const renewed = await renewServerCertificate(keys, files, late);
    expect(renewed?.hosts).toContain('*.boot.lan');
    const after = new X509Certificate(await readFile(files.cert));
    expect([after.subjectAltName, after.publicKey.equals(before.publicKey)]).toEqual([
      before.subjectAltName,
      true,
    ]);
    expect(after.serialNumber).not.toBe(before.serialNumber);
    await until(() => depot.log().some(({ msg }) => msg === 'the TLS certificate was read again'));
  });

  test('does not renew what another CA has issued', async () => {
    const others = join(folder, 'others');
    await createAuthority(others, 'Others', { force: false, now: NOW });
    const renewed = renewServerCertificate(others, files, { force: true, now: NOW });
    await expect(renewed).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
  }, 30_000);

  test('renews by itself what is nearly over when a server starts', async () => {
    const old = new Date(NOW.getTime() - 390 * DAY_MS);
    const aged = join(folder, 'aged');
    await createAuthority(aged, 'Aged', { force: false, now: old });
    await issueServerCertificate(aged, files, ['127.0.0.1'], old);
    const settings = {
      listen: ['https://127.0.0.1:0'],
      'keys.dir': aged,
      'tls.cert': files.cert,
      'tls.key': files.key,
    };
    const second = await startLiveDepot({ settings });
    const { validTo } = new X509Certificate(await readFile(files.cert));
    await second.remove();
    expect(new Date(validTo).getTime()).toBeGreaterThan(NOW.getTime() + 100 * DAY_MS);
  }, 30_000);
});
