import { EventEmitter, once } from 'node:events';
import { appendFileSync, existsSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { AutoSigner, type AutoSignerOptions } from '../../server/assets/auto-signer.js';
import type { SignedFile } from '../../server/assets/sign-file.js';
import { image, type SigningDepot, signingDepot, signRequest } from '../fixtures/signing-depot.js';
import { loadTestKey } from '../fixtures/test-key.js';

const QUIET_MS = 100;

let depot: SigningDepot;
let signer: AutoSigner | undefined;
let told: SignedFile[];
let events: EventEmitter;

beforeEach(async () => {
  depot = await signingDepot();
  told = [];
  events = new EventEmitter();
});
afterEach(async () => {
  await signer?.stop();
  depot.remove();
});

async function start(options: Partial<AutoSignerOptions> = {}): Promise<AutoSigner> {
  signer = new AutoSigner({
    ...signRequest(depot.assets, await loadTestKey()),
    quietMs: QUIET_MS,
    gentle: true,
    onTrouble: (error) => {
      throw error;
    },
    ...options,
    onFile(file) {
      told.push(file);
      events.emit('file', file);
    },
  });
  await signer.start();
  return signer;
}

/** Waits until that was said of a file. */
async function said(name: string, action: SignedFile['action']): Promise<SignedFile> {
  const signal = AbortSignal.timeout(20_000);
  const isIt = (file: SignedFile): boolean => file.path === depot.at(name) && file.action === action;
  for (;;) {
    const file = told.find(isIt);
    if (file !== undefined) {
      told.splice(told.indexOf(file), 1);
      return file;
    }
    await once(events, 'file', { signal });
  }
}

test('what is there, what comes and what is replaced gets a signature', async () => {
  depot.place('there.aci', await image('1'));
  await start();
  await said('there.aci', 'signed');
  depot.place('new/folder/comes.aci', await image('2'));
  await said('new/folder/comes.aci', 'signed');
  writeFileSync(depot.at('.upload'), await image('3'));
  renameSync(depot.at('.upload'), depot.at('there.aci'));
  await said('there.aci', 're-signed');
  await signer?.stop();
  const again = await depot.sign();
  expect(again.map(({ action }) => action)).toEqual(['good', 'good']);
});

test('a file that is still being written is not signed before it rests', async () => {
  const whole = await image('1');
  await start({ quietMs: 400 });
  const path = depot.place('slow.aci', whole.subarray(0, 100));
  for (let end = 100; end < whole.length; end += 100) {
    appendFileSync(path, whole.subarray(end, end + 100));
    await new Promise((wake) => setTimeout(wake, 50));
    expect(existsSync(`${path}.asc`)).toBe(false);
  }
  await said('slow.aci', 'signed');
});

test('from the moment a file is replaced its old signature is pending, not served, touched or not', async () => {
  const path = depot.place('a.aci', await image('1'));
  const newer = await image('2');
  const at = await start();
  expect(at.signatureState('a.aci.asc')).toBe('pending');
  await said('a.aci', 'signed');
  expect(at.signatureState('a.aci.asc')).toBe('settled');
  writeFileSync(path, newer);
  utimesSync(path, 1_000_000_000, 1_000_000_000);
  expect(at.signatureState('a.aci.asc')).toBe('pending');
  utimesSync(`${path}.asc`, new Date(), new Date());
  expect(at.signatureState('a.aci.asc')).toBe('pending');
  await said('a.aci', 're-signed');
  expect(at.signatureState('a.aci.asc')).toBe('settled');
});

test('a signature that was there before is served while it is looked through, unless the file is younger', async () => {
  depot.place('old.aci', await image('1'));
  depot.place('replaced.aci', await image('1'));
  await depot.sign();
  depot.place('replaced.aci', await image('2'));
  const at = await start();
  expect(at.signatureState('old.aci.asc')).toBe('settled');
  expect(at.signatureState('replaced.aci.asc')).toBe('pending');
  await said('old.aci', 'good');
  await said('replaced.aci', 're-signed');
});

test('a signature of other bytes is withheld where there will be no new one', async () => {
  depot.place('a.aci', await image('1'));
  const at = await start();
  await said('a.aci', 'signed');
  depot.place('a.aci', 'no image any more');
  await said('a.aci', 'refused');
  expect(at.signatureState('a.aci.asc')).toBe('withheld');
  expect(at.counts()).toEqual({ signed: 0, pending: 0, refused: 1, failed: 0 });
});

test('names that are none of its business are settled', async () => {
  const at = await start();
  for (const name of ['none.aci.asc', 'a.aci', 'vmlinuz.sig', 'key.asc', '']) {
    expect(at.signatureState(name)).toBe('settled');
  }
});

test('trouble is told once, and a removed file is forgotten', async () => {
  depot.place('bad.aci', 'text');
  const at = await start();
  await said('bad.aci', 'refused');
  depot.place('good.aci', await image('1'));
  await said('good.aci', 'signed');
  expect(told).toEqual([]);
  rmSync(depot.at('bad.aci'));
  depot.place('last.aci', await image('2'));
  await said('last.aci', 'signed');
  await signer?.stop();
  expect(at.counts()).toMatchObject({ signed: 2, refused: 0 });
  expect(at.condition()).toBe('ok');
});

test('an assets folder that is gone is a condition, in words without a path', async () => {
  rmSync(depot.assets, { recursive: true });
  const at = await start();
  await new Promise((resolve) => events.once('file', resolve));
  expect(at.condition()).toBe('not found');
});

test('boot files and their list are kept up to date', async () => {
  depot.place('vmlinuz', 'one');
  await start({ boot: true });
  await said('vmlinuz', 'signed');
  await said('SHA256SUMS', 'signed');
  depot.place('notes.txt', 'text');
  await said('SHA256SUMS', 're-signed');
  depot.place('vmlinuz', 'two');
  await said('vmlinuz', 're-signed');
  await said('SHA256SUMS', 're-signed');
});
