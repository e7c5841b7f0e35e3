import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type VerifyRequest, verifyAssets } from '../../server/assets/verify-assets.js';
import type { VerifiedFile } from '../../server/assets/verify-file.js';
import type { Certificate } from '../../server/openpgp/certificate.js';
import { certificateOf } from '../../server/openpgp/certificate.js';
import type { SigningKey } from '../../server/openpgp/signing-key.js';
import { expiringKey, revokedKey } from '../fixtures/other-certificates.js';
import { image, makeOtherKey, type SigningDepot, signingDepot } from '../fixtures/signing-depot.js';
import { loadTestKey } from '../fixtures/test-key.js';

let depot: SigningDepot;
let key: SigningKey;
let other: SigningKey;
let otherHome: SigningDepot;

beforeAll(async () => {
  key = await loadTestKey();
  otherHome = await signingDepot();
  other = await makeOtherKey(join(otherHome.dir, 'keys'));
});
afterAll(() => otherHome.remove());
beforeEach(async () => {
  depot = await signingDepot();
});
afterEach(() => depot.remove());

async function verify(options: Partial<VerifyRequest> = {}): Promise<readonly VerifiedFile[]> {
  return verifyAssets({
    assets: { dir: depot.assets, symlinks: 'inside' },
    paths: [],
    boot: false,
    jobs: 2,
    keyring: [key.certificate],
    now: new Date(),
    onFile: () => undefined,
    ...options,
  });
}

async function states(options: Partial<VerifyRequest> = {}): Promise<Record<string, string>> {
  const files = await verify(options);
  const entries = files.map(({ path, state }) => [path.replace(`${depot.assets}/`, ''), state]);
  expect(new Set(entries.map(([path]) => path)).size).toBe(files.length);
  return Object.fromEntries(entries);
}

/** Long ago, so that it is older than anything that a test writes. */
function age(name: string): void {
  utimesSync(depot.at(name), 1_000_000_000, 1_000_000_000);
}

test('good, stale, bad, missing and unknown key are told apart, each file once', async () => {
  for (const name of ['good', 'stale', 'bad', 'missing', 'foreign', 'text']) {
    depot.place(`${name}.aci`, await image(name));
  }
  await depot.sign();
  await depot.sign({ key: other, force: true, paths: [depot.at('foreign.aci')] });
  depot.place('stale.aci', await image('newer'));
  age('stale.aci.asc');
  depot.place('bad.aci', await image('other bytes under an old time'));
  age('bad.aci');
  rmSync(depot.at('missing.aci.asc'));
  depot.place('text.aci.asc', '<html>');
  expect(await states()).toEqual({
    'bad.aci': 'bad',
    'foreign.aci': 'unknown-key',
    'good.aci': 'good',
    'missing.aci': 'missing',
    'stale.aci': 'stale',
    'text.aci': 'bad',
  });
});

async function byCertificate(certificate: Certificate): Promise<string | undefined> {
  depot.place('a.aci', await image('1'));
  await depot.sign();
  return (await states({ keyring: [certificate] }))['a.aci'];
}

test('an expired key is said', async () => {
  expect(await byCertificate(await certificateOf(await expiringKey(3600)))).toBe('expired-key');
});

test('a revoked key is said', async () => {
  expect(await byCertificate(await certificateOf(await revokedKey()))).toBe('revoked-key');
});

test('a file with two signatures is read once and good only if both are', async () => {
  const path = depot.place('vmlinuz', 'kernel');
  await depot.sign({ boot: true, paths: [path] });
  writeFileSync(`${path}.asc`, 'broken');
  const read: number[] = [];
  const progress = { start: () => undefined, advance: (bytes: number) => void read.push(bytes) };
  const [file] = await verify({ progress });
  expect(file).toMatchObject({ path, state: 'bad' });
  expect(file?.witnesses.map(({ state }) => state)).toEqual(['bad', 'good']);
  expect(read).toEqual(['kernel'.length]);
});

test('a signature that is named stands for its file, which is still checked once', async () => {
  const path = depot.place('a.aci', await image('1'));
  await depot.sign();
  expect(await states({ paths: [`${path}.asc`, path, depot.assets] })).toEqual({ 'a.aci': 'good' });
});

test('a named file without a signature is missing it; in a folder only what needs one is', async () => {
  const path = depot.place('notes.txt', 'text');
  expect(await states()).toEqual({});
  expect(await states({ paths: [path] })).toEqual({ 'notes.txt': 'missing' });
  expect(await states({ paths: [depot.at('none.aci')] })).toEqual({ 'none.aci': 'failed' });
});

test('the files of a checksum list are compared with it', async () => {
  for (const name of ['initrd', 'vmlinuz', 'readme.txt', 'old.txt']) depot.place(name, name);
  mkdirSync(depot.at('empty'));
  await depot.sign({ boot: true });
  age('SHA256SUMS');
  depot.place('readme.txt', 'changed');
  depot.place('old.txt', 'changed');
  age('old.txt');
  rmSync(depot.at('initrd'));
  expect(await states()).toEqual({
    'old.txt': 'bad',
    'readme.txt': 'stale',
    SHA256SUMS: 'good',
    vmlinuz: 'good',
  });
});

test('a list that was changed after it was signed is not good, nor is one that is none', async () => {
  depot.place('one/vmlinuz', 'kernel');
  depot.place('two/vmlinuz', 'kernel');
  await depot.sign({ boot: true });
  age('one/SHA256SUMS.gpg');
  depot.place('one/SHA256SUMS', `${'0'.repeat(64)}  vmlinuz\n`);
  depot.place('two/SHA256SUMS', '<html>');
  expect(await states()).toEqual({
    'one/SHA256SUMS': 'stale',
    'one/vmlinuz': 'bad',
    'two/SHA256SUMS': 'bad',
    'two/vmlinuz': 'good',
  });
});

test('a list does not lead outside its folder', async () => {
  writeFileSync(join(depot.dir, 'secret'), 'text');
  depot.place('SHA256SUMS', `${'0'.repeat(64)}  ../secret\n${'0'.repeat(64)}  /etc/hostname\n`);
  expect(await states()).toEqual({});
});

test('with boot files in question, what is unsigned or in no list is missing', async () => {
  depot.place('vmlinuz', 'kernel');
  depot.place('listed.txt', 'text');
  await depot.sign({ boot: true });
  rmSync(depot.at('vmlinuz.sig'));
  depot.place('new.txt', 'text');
  depot.place('bare/x.txt', 'text');
  expect(await states({ boot: true })).toEqual({
    'bare/SHA256SUMS': 'missing',
    'bare/x.txt': 'missing',
    'listed.txt': 'good',
    'new.txt': 'missing',
    SHA256SUMS: 'good',
    vmlinuz: 'missing',
  });
  expect(await states()).toEqual({ 'listed.txt': 'good', SHA256SUMS: 'good', vmlinuz: 'good' });
});

test('an interruption ends the run', async () => {
  depot.place('a.aci', await image('1'));
  await depot.sign();
  await expect(verify({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'INTERRUPTED' });
});
