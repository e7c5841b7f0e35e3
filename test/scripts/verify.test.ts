import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { image, type SigningDepot, signingDepot } from '../fixtures/signing-depot.js';
import { loadTestKey, testKeyFolder } from '../fixtures/test-key.js';

let depot: SigningDepot;
beforeEach(async () => {
  depot = await signingDepot();
  await testKeyFolder(depot.dir);
  depot.place('a.aci', await image('1'));
  depot.place('b.aci', await image('2'));
  await depot.sign();
});
afterEach(() => depot.remove());

const verify = (...args: string[]) => bootdepot(depot.dir, ['verify', '--jobs', '1', ...args]);

test('all good is exit 0, a line for each file and the total', () => {
  expect(verify()).toEqual({
    status: 0,
    out: 'good        assets/a.aci\ngood        assets/b.aci\n2 files: 2 good\n',
    talk: '',
  });
});

test('one that is not good is exit 1, with the reason', async () => {
  depot.place('b.aci', await image('other'));
  const { status, out, talk } = verify();
  expect(status).toBe(1);
  expect(out).toMatch(/^good {8}assets\/a\.aci\n(?:stale|bad) +assets\/b\.aci: does not match the bytes/);
  expect(talk).toBe('bootdepot: 1 of 2 files are not good\n');
});

test('for scripts there is one JSON document, with every witness', async () => {
  rmSync(depot.at('b.aci.asc'));
  const { fingerprint } = await loadTestKey();
  const reason = `made by ${fingerprint}`;
  const good = { state: 'good', reason };
  const { status, out } = verify('--json');
  expect(status).toBe(1);
  expect(JSON.parse(out)).toEqual({
    files: [
      { path: 'assets/a.aci', ...good, witnesses: [{ path: 'assets/a.aci.asc', ...good, fingerprint }] },
      { path: 'assets/b.aci', state: 'missing', reason: 'has no signature', witnesses: [] },
    ],
    totals: { good: 1, missing: 1 },
  });
});

test('a keyring file is trusted instead of the folder of keys, armored or binary', async () => {
  const { certificate } = await loadTestKey();
  writeFileSync(join(depot.dir, 'ring.asc'), certificate.armored);
  writeFileSync(join(depot.dir, 'ring.gpg'), certificate.binary);
  rmSync(join(depot.dir, 'keys'), { recursive: true });
  expect(verify('--keyring', 'ring.asc').status).toBe(0);
  expect(verify('--keyring', 'ring.gpg').status).toBe(0);
});

test('nothing to verify is no failure; nothing to verify with is one', () => {
  mkdirSync(join(depot.dir, 'empty'));
  expect(verify('empty')).toEqual({ status: 0, out: '', talk: 'nothing to verify\n' });
  expect(verify('--keys', 'empty')).toMatchObject({
    status: 1,
    talk: expect.stringContaining('no certificate'),
  });
  expect(verify('--keyring', 'assets/a.aci')).toMatchObject({ status: 1, out: '' });
});

test('with --boot a folder needs a signed list', () => {
  expect(verify('--boot')).toMatchObject({
    status: 1,
    out: expect.stringContaining('missing     assets/SHA256SUMS'),
  });
  mustBootdepot(depot.dir, ['sign', '--boot']);
  expect(verify('--boot').out).toContain('3 files: 3 good');
});
