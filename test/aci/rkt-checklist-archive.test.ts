/** What rkt 1.30.0 asks of images, by number: 48 to 52. Everything is told by the commands, as a person meets it. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { describeWith } from '../clients/programs.js';
import { type AciSpec, aciManifest, buildAci, buildAciTar, compress } from '../fixtures/aci.js';
import { ask } from '../fixtures/assets-server.js';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { startDepot } from '../fixtures/running-depot.js';
import { buildTar } from '../fixtures/tar.js';
import { testKeyFolder } from '../fixtures/test-key.js';

const IMAGE = {
  name: 'quay.io/coreos/hyperkube',
  version: 'v1.3.6_coreos.0',
  labels: { os: 'linux', arch: 'amd64' },
  files: { hyperkube: 'x'.repeat(2000) },
} as const;
const folder = mkdtempSync(join(tmpdir(), 'bootdepot-archive-'));

beforeAll(async () => {
  mkdirSync(join(folder, 'assets'));
  await testKeyFolder(folder);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes an image into the assets, in place of the one before. */
async function put(content: AciSpec | Uint8Array): Promise<Uint8Array> {
  const bytes = content instanceof Uint8Array ? content : await buildAci(content);
  rmSync(join(folder, 'assets'), { recursive: true });
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'assets/image.aci'), bytes);
  return bytes;
}

/** What `aci validate` finds in it. */
function validate() {
  const { status, out } = bootdepot(folder, ['aci', 'validate', '--json', 'assets/image.aci']);
  const [{ valid, problems, warnings, compression }] = JSON.parse(out).files;
  expect(status).toBe(valid ? 0 : 1);
  return { valid, problems, warnings, compression };
}

const GOOD = { valid: true, problems: [], warnings: [] };

describeWith(['bzip2', 'xz'], 'the archive', () => {
  test.each([
    ['gzip', /^1f8b/],
    ['bzip2', /^425a68/],
    ['xz', /^fd377a585a00/],
    ['none', /^.{514}7573746172/],
  ] as const)('48. %s is known by the first bytes, whatever the name', async (compression, magic) => {
    const bytes = await put({ ...IMAGE, compression });
    expect(Buffer.from(bytes).toString('hex')).toMatch(magic);
    expect(validate()).toEqual({ ...GOOD, compression });
    expect(mustBootdepot(folder, ['sign'])).toMatch(/^signed /);
  });

  test.each([
    ['zstd', Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(600)])],
    ['zip', Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(600)])],
    ['a tar of the old v7 form', buildTar([{ name: 'manifest', magic: 'v7', content: '{}' }])],
    ['a page of HTML', Buffer.from('<!DOCTYPE html>')],
  ])('48. %s is neither valid nor signed', async (_name, bytes) => {
    await put(bytes);
    expect(validate()).toMatchObject({ valid: false, problems: [expect.stringMatching(/expected/)] });
    expect(bootdepot(folder, ['sign'])).toMatchObject({ status: 1, out: expect.stringMatching(/^refused /) });
    expect(readdirSync(join(folder, 'assets'))).toEqual(['image.aci']);
  });

  test('48. a manifest that is not first is a warning: rkt finds it, and reads up to it', async () => {
    const manifest = { name: './manifest', content: JSON.stringify(aciManifest(IMAGE)) };
    const [root, rootfs] = [
      { name: './', type: '5' },
      { name: './rootfs', type: '5' },
    ];
    await put(buildTar([root, manifest, rootfs]));
    expect(validate()).toMatchObject(GOOD);
    await put(buildTar([root, rootfs, manifest]));
    expect(validate()).toMatchObject({ ...GOOD, warnings: [expect.stringContaining('not the first entry')] });
    expect(mustBootdepot(folder, ['sign'])).toMatch(/^signed /);
  });

  test('51. the shown ID is SHA-512 of the uncompressed tar, its first 64 digits for rkt', async () => {
    const digest = createHash('sha512').update(buildAciTar(IMAGE)).digest('hex');
    for (const compression of ['gzip', 'bzip2', 'xz', 'none'] as const) {
      await put(compress(buildAciTar(IMAGE), compression));
      const { imageId } = JSON.parse(mustBootdepot(folder, ['aci', 'inspect', '--json', 'assets/image.aci']));
      expect(imageId).toEqual({
        id: `sha512-${digest}`,
        full: `sha512-${digest.slice(0, 64)}`,
        short: `sha512-${digest.slice(0, 32)}`,
      });
    }
    const shown = mustBootdepot(folder, ['aci', 'inspect', 'assets/image.aci']);
    expect(shown).toContain(`with --full sha512-${digest.slice(0, 64)}\n`);
  });
});

describe('the manifest', () => {
  test('49. its name lies under every prefix that users are told to trust the key for', async () => {
    const told = [
      ...documentation(),
      mustBootdepot(folder, ['key', 'export', '--help']),
      await homePage(),
    ].join('\n');
    const commands = told.match(/rkt trust --[^`\n]*/g) ?? [];
    expect(commands.length).toBeGreaterThanOrEqual(3);
    for (const command of commands) {
      // rkt wants exactly one of the two, and leave to ask for a key without TLS.
      expect(command.match(/--root|--prefix=/g)).toHaveLength(1);
      expect(/http:/.test(command)).toBe(command.includes('--insecure-allow-http'));
    }
    const prefixes = [...told.matchAll(/--prefix[= ]([a-z][\w./-]*)/g)].map(([, prefix]) => prefix);
    expect(new Set(prefixes)).toEqual(new Set(['quay.io/coreos']));
    expect(nameOfTheTour()).toBe(IMAGE.name);
    for (const prefix of prefixes) expect(IMAGE.name.startsWith(`${prefix}/`)).toBe(true);
  });

  test('49. the folder made for a prefix is one where rkt looks for that name', () => {
    const written = mustBootdepot(folder, [
      ...['key', 'export', '--format', 'rkt-tree', '--to', 'trusted'],
      ...['--prefix', 'quay.io/coreos'],
    ]);
    const parts = IMAGE.name.split('/');
    const folders = parts.map((_, index) => `trusted/prefix.d/${parts.slice(0, index + 1).join('/')}`);
    expect(folders).toContain(written.trim().replace(/\/[0-9a-f]{40}$/, ''));
  });

  test('50. an image without the labels version, os and arch is a warning: rkt fetches it by URL only', async () => {
    await put(IMAGE);
    expect(bootdepot(folder, ['aci', 'validate', 'assets/image.aci'])).toMatchObject({ status: 0, talk: '' });
    await put({ name: IMAGE.name, labels: { os: 'linux' } });
    expect(validate()).toMatchObject({ valid: true, problems: [] });
    const { status, talk } = bootdepot(folder, ['aci', 'validate', 'assets/image.aci']);
    expect([status, talk]).toEqual([
      0,
      expect.stringMatching(/^warning.*image\.aci: no label version, arch: /),
    ]);
  });

  const whole = { exec: ['/hyperkube'], user: '0', group: '0' };
  test.each([
    ['user', { exec: ['/hyperkube'], group: '0' }],
    ['group', { exec: ['/hyperkube'], user: '0' }],
    ['user', { ...whole, user: '' }],
    ['group', { ...whole, group: '' }],
  ])('52. an app without a %s is neither valid nor signed', async (field, app) => {
    await put({ ...IMAGE, manifest: { app } });
    expect(validate()).toMatchObject({
      valid: false,
      problems: [
        expect.stringMatching(new RegExp(`^manifest: app.${field}: is (?:missing|empty), expected`)),
      ],
    });
    expect(bootdepot(folder, ['sign'])).toMatchObject({
      status: 1,
      out: expect.stringContaining(`app.${field}`),
    });
  });

  test('52. an app with both is valid, and so is an image without any', async () => {
    for (const manifest of [{ app: whole }, {}]) {
      await put({ ...IMAGE, manifest });
      expect(validate()).toMatchObject(GOOD);
    }
  });
});

function documentation(): string[] {
  const pages = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  );
  return ['README.md', ...pages.map((name) => join('docs', name))].map((path) => readFileSync(path, 'utf8'));
}

/** The manifest's name in the README's tour, which is the image that the pages speak of. */
function nameOfTheTour(): string | undefined {
  return /"acKind".*?"name": "([^"]+)"/.exec(readFileSync('README.md', 'utf8'))?.[1];
}

async function homePage(): Promise<string> {
  const depot = await startDepot(['--assets', join(folder, 'assets'), '--keys', join(folder, 'keys')]);
  const { body } = await ask(depot.port, '/');
  await depot.stop();
  return body.toString();
}
