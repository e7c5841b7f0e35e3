/** Bundles on the disk: whole, in parts, through a pipe. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openBundleSink } from '../../server/bundle/bundle-file.js';
import { findCertificate, readBundleFiles, readEarlierBundle } from '../../server/bundle/bundle-input.js';
import { BundleDepot } from '../fixtures/bundle-depot.js';
import { readTar } from '../fixtures/read-tar.js';
import { imageOf } from '../fixtures/registry-client.js';
import { loadTestKey } from '../fixtures/test-key.js';

let folder: string;
let from: BundleDepot;
let to: BundleDepot;
let out: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-split-'));
  out = join(folder, 'site.tar');
  from = await (await BundleDepot.make()).withKey();
  to = await BundleDepot.make();
  await from.push('coreos/etcd', 'v3', imageOf([Buffer.alloc(2_500_000, 'layer')]));
});
afterEach(() => {
  for (const depot of [from, to]) depot.remove();
  rmSync(folder, { recursive: true, force: true });
});

const load = (paths: readonly string[]) => to.load(Buffer.alloc(0), { chunks: readBundleFiles(paths) });

test('parts are of the size that was asked for, joined they are the bundle, and they are read without joining', async () => {
  const whole = await from.bundle();
  const sink = await openBundleSink(out, 1_000_000);
  await from.bundle({ sink });
  const parts = readdirSync(folder).sort();
  expect(parts).toEqual(['site.tar.001', 'site.tar.002', 'site.tar.003']);
  const read = parts.map((name) => readFileSync(join(folder, name)));
  expect(read.map(({ length }) => length)).toEqual([1_000_000, 1_000_000, whole.length - 2_000_000]);
  expect(Buffer.concat(read).equals(whole)).toBe(true);
  expect(await load([join(folder, 'site.tar.001')])).toMatchObject({ added: 4 });
  expect(await load([out])).toMatchObject({ added: 0, present: 4 });
  expect(await load(parts.map((name) => join(folder, name)))).toMatchObject({ present: 4 });
  await expect(load(parts.slice(1).map((name) => join(folder, name)))).rejects.toThrow('not a bundle');
  rmSync(join(folder, 'site.tar.003'));
  await expect(load([out])).rejects.toThrow('cut short');
  await expect(load([join(folder, 'other.tar')])).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a bundle is there whole or not at all, and one that was there stays when the next one fails', async () => {
  writeFileSync(out, 'the one before');
  const stop = new AbortController();
  const failing = from.bundle({
    sink: await openBundleSink(out),
    signal: stop.signal,
    onBytes: () => stop.abort(),
  });
  await expect(failing).rejects.toMatchObject({ code: 'INTERRUPTED' });
  expect(readFileSync(out, 'utf8')).toBe('the one before');
  expect(readdirSync(folder)).toEqual(['site.tar']);
  await from.bundle({ sink: await openBundleSink(out) });
  expect(readFileSync(out).equals(await from.bundle())).toBe(true);
});

test('a pipe takes a bundle, a folder does not', async () => {
  spawnSync('mkfifo', [out]);
  const loading = load([out]);
  await from.bundle({ sink: await openBundleSink(out) });
  expect(await loading).toMatchObject({ added: 4 });
  expect(statSync(out).isFIFO()).toBe(true);
  await expect(openBundleSink(out, 1000)).rejects.toMatchObject({ code: 'USAGE' });
  await expect(openBundleSink(folder)).rejects.toMatchObject({ code: 'USAGE' });
  await expect(
    openBundleSink(join(folder, 'none/x.tar')).then((sink) => sink.write(Buffer.from('x'))),
  ).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a difference rests on a bundle, on parts of one, or on its bundle.json alone', async () => {
  await from.bundle({ sink: await openBundleSink(out, 1_000_000) });
  const parts = await readEarlierBundle(out);
  const json = join(folder, 'bundle.json');
  writeFileSync(json, readTar(await from.bundle()).entries[0]?.data ?? '');
  expect(await readEarlierBundle(json)).toEqual(parts);
  expect(parts.files.length).toBeGreaterThan(4);
});

test('a certificate is found in a bundle by its fingerprint, whatever is behind it', async () => {
  const bundle = await from.bundle();
  writeFileSync(out, bundle.subarray(0, 20_000));
  const { fingerprint } = (await loadTestKey()).certificate;
  expect((await findCertificate([out], fingerprint)).fingerprint).toBe(fingerprint);
  await expect(findCertificate([out], 'A'.repeat(40))).rejects.toMatchObject({ code: 'KEY_MISSING' });
  expect(existsSync(to.keysDir)).toBe(false);
});
