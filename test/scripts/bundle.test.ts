/** `bundle` and `key trust` as a person runs them. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BundleDepot } from '../fixtures/bundle-depot.js';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { imageOf } from '../fixtures/registry-client.js';
import { loadTestKey } from '../fixtures/test-key.js';

const ETCD = imageOf(['etcd layer']);
let from: BundleDepot;
let fingerprint: string;
beforeAll(async () => {
  from = await (await BundleDepot.make()).withKey();
  await from.push('coreos/etcd', 'v3', ETCD);
  from.asset('flatcar/vmlinuz', 'a kernel');
  ({ fingerprint } = (await loadTestKey()).certificate);
});
afterAll(() => from.remove());

test('from one site to the other: create, show, trust, load, verify', () => {
  expect(mustBootdepot(from.folder, ['bundle', 'create', 'site.tar', '--all'])).toMatch(
    /^created {5}site\.tar: 8 files, [\d.]+ kB, 1 tags\n$/,
  );
  const site = join(from.folder, 'site');
  mkdirSync(site);
  const bundle = join(from.folder, 'site.tar');
  const refused = bootdepot(site, ['bundle', 'load', bundle]);
  expect([refused.status, refused.talk]).toEqual([
    1,
    expect.stringContaining(`key trust ${fingerprint} --from`),
  ]);
  const shown = mustBootdepot(site, ['bundle', 'show', bundle]);
  expect(shown).toContain('not trusted here');
  expect(shown).toMatch(/^image {7}coreos\/etcd:v3: \d+ B$/m);
  expect(shown).toMatch(/^file {8}assets\/flatcar\/vmlinuz: 8 B$/m);
  const spaced = fingerprint.match(/.{4}/g) ?? [];
  mustBootdepot(site, ['key', 'trust', ...spaced, '--from', bundle]);
  expect(readdirSync(join(site, 'keys/trusted'))).toEqual([`${fingerprint}.asc`]);
  const loaded = mustBootdepot(site, ['bundle', 'load', bundle]).split('\n');
  expect(loaded[0]).toBe(`image       coreos/etcd:v3: ${ETCD.digest}`);
  expect(loaded[1]).toMatch(new RegExp(`^loaded {6}5 files, .*; 0 were here; signed by ${fingerprint}$`));
  expect(readFileSync(join(site, 'assets/flatcar/vmlinuz'), 'utf8')).toBe('a kernel');
  const verified = JSON.parse(mustBootdepot(site, ['bundle', 'verify', bundle, '--json']));
  expect(verified).toMatchObject({ state: 'good', files: 8, signer: fingerprint });
});

test('through a pipe, in parts, as a difference, with a keyring and for a time that is given', () => {
  const program = resolve('dist/scripts/bootdepot.js');
  mkdirSync(join(from.folder, 'piped'));
  const trust = '--trust keys --assets piped/assets --keys piped/keys --data piped/data';
  const shell = `node ${program} bundle create - --all | node ${program} bundle load - ${trust}`;
  const piped = spawnSync('sh', ['-c', shell], { cwd: from.folder, encoding: 'utf8' });
  expect([piped.status, piped.stdout]).toEqual([0, expect.stringContaining('loaded      5 files')]);
  expect(existsSync(join(from.folder, 'piped/data/registry'))).toBe(true);
  mustBootdepot(from.folder, ['bundle', 'create', 'parts.tar', '--images', 'coreos/*:v3', '--split', '4KiB']);
  expect(existsSync(join(from.folder, 'parts.tar.002'))).toBe(true);
  writeFileSync(join(from.folder, 'assets/new.txt'), 'new');
  const made = mustBootdepot(from.folder, [
    'bundle',
    'create',
    'next.tar',
    '--all',
    '--since',
    'parts.tar.001',
    '--json',
  ]);
  expect(JSON.parse(made)).toMatchObject({ inBase: 4, images: ['coreos/etcd:v3'] });
});

test('wrong use is told, with status 2', () => {
  for (const args of [
    ['create', 'x.tar'],
    ['create', 'x.tar', '--all', '--split', '4GB'],
    ['load', '-', 'x'],
  ]) {
    expect([args, bootdepot(from.folder, ['bundle', ...args]).status]).toEqual([args, 2]);
  }
  expect(bootdepot(from.folder, ['key', 'trust', 'ABCD']).status).toBe(2);
  expect(existsSync(join(from.folder, 'x.tar'))).toBe(false);
});
