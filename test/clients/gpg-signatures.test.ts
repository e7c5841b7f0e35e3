/** What bootdepot signs, gpg, gpgv and sha256sum accept; what gpg signs, bootdepot verifies. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { image, type SigningDepot, signingDepot } from '../fixtures/signing-depot.js';
import { loadTestKey, testKeyFolder } from '../fixtures/test-key.js';
import { type GpgHome, gpgHome } from './gpg-home.js';
import { describeWith } from './programs.js';

const FILES = ['app:v1.aci', 'boot/vmlinuz:v1', 'boot/initrd', 'boot/odd \\ name\n.img', 'boot/notes.txt'];

describeWith(['gpg', 'gpgv', 'sha256sum'], 'signatures of a whole folder', () => {
  let depot: SigningDepot;
  let home: GpgHome;
  let keyring: string;

  beforeAll(async () => {
    depot = await signingDepot();
    home = gpgHome();
    const { certificate } = await loadTestKey();
    keyring = join(depot.dir, 'keyring.gpg');
    writeFileSync(keyring, certificate.binary);
    home.mustGpg(['--import'], certificate.armored);
    await testKeyFolder(depot.dir);
    for (const name of FILES) depot.place(name, name.endsWith('.aci') ? await image('1') : name);
  });
  afterAll(() => {
    home.remove();
    depot.remove();
  });

  const signed = [
    ['app:v1.aci', '.asc'],
    ['boot/vmlinuz:v1', '.sig'],
    ['boot/initrd', '.sig'],
    ['boot/odd \\ name\n.img', '.sig'],
    ['SHA256SUMS', '.gpg'],
    ['boot/SHA256SUMS', '.gpg'],
  ] as const;

  test.each(['sha256', 'sha512'])('gpg and gpgv accept every one, made with %s', (hash) => {
    mustBootdepot(depot.dir, ['sign', '--boot', '--force', '--hash', hash]);
    for (const [name, ending] of signed) {
      const [file, signature] = [depot.at(name), depot.at(name + ending)];
      expect(home.gpg(['--verify', signature, file])).toMatchObject({ status: 0 });
      expect(home.gpgv(keyring, signature, file)).toMatchObject({ status: 0 });
    }
  });

  test('each holds one version 4 packet over binary data, with a full-length RSA integer', () => {
    for (const [name, ending] of signed) {
      const packets = home.mustGpg(['--list-packets', depot.at(name + ending)]).toString();
      expect(packets.match(/:signature packet:/g)).toHaveLength(1);
      expect(packets).toMatch(/algo 1, keyid/);
      expect(packets).toMatch(/version 4, created \d+, md5len 0, sigclass 0x00/);
      const [, bits] = /data: \[(\d+) bits\]/.exec(packets) ?? [];
      expect(Number(bits)).toBeGreaterThanOrEqual(4089);
    }
  });

  test('sha256sum -c --strict accepts the list, byte for byte what it would write itself', () => {
    const cwd = depot.at('boot');
    expect(spawnSync('sha256sum', ['-c', '--strict', 'SHA256SUMS'], { cwd }).status).toBe(0);
    const names = ['initrd', 'notes.txt', 'odd \\ name\n.img', 'vmlinuz:v1'];
    const written = spawnSync('sha256sum', names, { cwd, encoding: 'utf8' }).stdout;
    expect(readFileSync(join(cwd, 'SHA256SUMS'), 'utf8')).toBe(written);
  });

  test('one changed byte is refused by both', () => {
    const path = depot.at('boot/initrd');
    const bytes = readFileSync(path);
    writeFileSync(path, 'x');
    expect(home.gpgv(keyring, `${path}.sig`, path).status).not.toBe(0);
    expect(bootdepot(depot.dir, ['verify', 'assets/boot/initrd']).status).toBe(1);
    writeFileSync(path, bytes);
    expect(bootdepot(depot.dir, ['verify', 'assets/boot/initrd']).status).toBe(0);
  });
});

describeWith(['gpg'], 'signatures made by gpg', () => {
  let depot: SigningDepot;
  let home: GpgHome;

  beforeAll(async () => {
    depot = await signingDepot();
    home = gpgHome();
    await testKeyFolder(depot.dir);
  });
  afterAll(() => {
    home.remove();
    depot.remove();
  });

  /** Makes a key, signs a new file with it, and exports the certificate. */
  async function signedBy(name: string, algorithm: string, ...signing: string[]): Promise<string> {
    const fingerprint = home.makeKey(name, algorithm);
    const path = depot.place(`${name}/app.aci`, await image(name));
    const more = ['--local-user', fingerprint, '--output', `${path}.asc`];
    home.mustGpg([...more, ...signing, '--armor', '--detach-sign', path]);
    home.mustGpg(['--output', join(depot.dir, `${name}.gpg`), '--export', fingerprint]);
    return fingerprint;
  }

  const state = (name: string): string => {
    const { out } = bootdepot(depot.dir, ['verify', '--keyring', `${name}.gpg`, `assets/${name}`]);
    return out.split(/\s/, 1)[0] ?? '';
  };

  test.each([
    ['rsa', 'rsa3072', 'SHA256'],
    ['dsa', 'dsa2048', 'SHA256'],
    ['ed25519', 'ed25519', 'SHA512'],
    ['nistp256', 'nistp256', 'SHA384'],
  ])('%s with %s and %s is good', async (name, algorithm, hash) => {
    await signedBy(name, algorithm, '--digest-algo', hash);
    expect(state(name)).toBe('good');
    expect(bootdepot(depot.dir, ['verify', `assets/${name}`]).out).toMatch(/^unknown-key /);
  });

  test('SHA-1 proves nothing', async () => {
    await signedBy('sha1', 'rsa2048', '--digest-algo', 'SHA1');
    expect(state('sha1')).toBe('bad');
  });

  test('a key that was revoked since is said', async () => {
    const fingerprint = await signedBy('revoked', 'rsa2048');
    const revocation = join(home.dir, 'openpgp-revocs.d', `${fingerprint}.rev`);
    home.mustGpg(['--import'], readFileSync(revocation, 'utf8').replace(/^:(?=-)/m, ''));
    home.mustGpg(['--yes', '--output', join(depot.dir, 'revoked.gpg'), '--export', fingerprint]);
    expect(state('revoked')).toBe('revoked-key');
  });

  test('a checksum list of a mirror that is not complete is checked as far as it goes', async () => {
    const folder = join(depot.assets, 'mirror');
    mkdirSync(folder);
    writeFileSync(join(folder, 'linux'), 'kernel');
    writeFileSync(join(folder, 'not-mirrored'), 'large');
    const list = spawnSync('sha256sum', ['./linux', './not-mirrored'], { cwd: folder }).stdout;
    writeFileSync(join(folder, 'SHA256SUMS'), list);
    renameSync(join(folder, 'not-mirrored'), join(depot.dir, 'not-mirrored'));
    const fingerprint = home.makeKey('vendor', 'rsa2048');
    home.mustGpg([
      '--local-user',
      fingerprint,
      '--detach-sign',
      '--output',
      join(folder, 'SHA256SUMS.gpg'),
      join(folder, 'SHA256SUMS'),
    ]);
    home.mustGpg(['--output', join(depot.dir, 'vendor.gpg'), '--export', fingerprint]);
    const { status, out } = bootdepot(depot.dir, ['verify', '--keyring', 'vendor.gpg', 'assets/mirror']);
    expect(out).toContain('2 files: 2 good');
    expect(status).toBe(0);
    expect(bootdepot(depot.dir, ['sign', '--boot', 'assets/mirror']).out).toContain(
      'kept        assets/mirror/SHA256SUMS',
    );
  });
});
