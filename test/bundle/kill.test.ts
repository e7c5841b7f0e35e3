/** Processes that are killed while they write or load a bundle. More points by hand: `KILL_POINTS=100`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openBundleSink } from '../../server/bundle/bundle-file.js';
import { readBundleFiles } from '../../server/bundle/bundle-input.js';
import { verifyBundle } from '../../server/bundle/verify-bundle.js';
import { BundleDepot } from '../fixtures/bundle-depot.js';
import { mustBootdepot } from '../fixtures/command.js';
import { digestOf, imageOf } from '../fixtures/registry-client.js';
import { loadTestKey } from '../fixtures/test-key.js';

const POINTS = Number(process.env.KILL_POINTS ?? 2);
const LAYERS = Array.from({ length: 12 }, (_, at) => Buffer.alloc(1_000_000 + at, `layer ${at} `));
const IMAGE = imageOf(LAYERS);
const PROGRAM = resolve('dist/scripts/bootdepot.js');

let from: BundleDepot;
beforeAll(async () => {
  from = await (await BundleDepot.make()).withKey();
  await from.push('big/image', 'v1', IMAGE);
  for (let at = 0; at < 10; at += 1) {
    from.asset(`boot/${at}.img`, Buffer.alloc(500_000 + at, `image ${at} `));
    from.asset(`boot/${at}.img.sig`, `signature ${at}`);
  }
  writeFileSync(join(from.folder, 'trusted.asc'), (await loadTestKey()).certificate.armored);
});
afterAll(() => from.remove());

/** Runs a command and kills it after a part of the time that it takes. */
async function killed(folder: string, args: readonly string[], afterMs: number): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: folder, stdio: 'ignore' });
  const ended = once(child, 'exit');
  await Promise.race([sleep(afterMs), ended]);
  child.kill('SIGKILL');
  await ended;
}

/** How long a whole run takes, in milliseconds: a scale for random points, nothing more. */
function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

test(`create: the old bundle or the new one, ${POINTS} times, and nothing stays behind`, async () => {
  const create = ['bundle', 'create', 'out/site.tar', '--all'];
  const out = join(from.folder, 'out');
  mkdirSync(out);
  const tookMs = timed(() => mustBootdepot(from.folder, create));
  writeFileSync(join(out, 'site.tar'), 'the one before');
  for (let point = 0; point < POINTS; point += 1) {
    await killed(from.folder, create, Math.random() * tookMs);
    if (readFileSync(join(out, 'site.tar')).length > 100) await verify(join(out, 'site.tar'));
  }
  mustBootdepot(from.folder, create);
  expect(readdirSync(out)).toEqual(['site.tar']);
  await verify(join(out, 'site.tar'));
});

test(`load: nothing wrong can be seen, ${POINTS} times, and the next load finishes`, async () => {
  await from.bundle({ sink: await openBundleSink(join(from.folder, 'site.tar')) });
  const load = ['bundle', 'load', join(from.folder, 'site.tar'), '--trust', join(from.folder, 'trusted.asc')];
  const first = await BundleDepot.make();
  const tookMs = timed(() => mustBootdepot(first.folder, load));
  first.remove();
  const to = await BundleDepot.make();
  for (let point = 0; point < POINTS; point += 1) {
    await killed(to.folder, load, Math.random() * tookMs);
    await expectNothingWrong(to);
  }
  mustBootdepot(to.folder, load);
  await expectNothingWrong(to);
  expect(await to.tag('big/image', 'v1')).toBe(IMAGE.digest);
  expect(readdirSync(join(to.assetsDir, 'boot'))).toEqual(readdirSync(join(from.assetsDir, 'boot')));
  to.remove();
});

async function verify(path: string): Promise<void> {
  const keyring = [(await loadTestKey()).certificate];
  await verifyBundle({ chunks: readBundleFiles([path]), keyring, now: new Date() });
}

async function expectNothingWrong(to: BundleDepot): Promise<void> {
  const boot = join(to.assetsDir, 'boot');
  for (const name of existsSync(boot) ? readdirSync(boot) : []) {
    if (!name.startsWith('.')) expect(to.readAsset(`boot/${name}`)).toBe(from.readAsset(`boot/${name}`));
  }
  const isTagged = (await to.tag('big/image', 'v1')) !== undefined;
  for (const layer of LAYERS) {
    const read = await to.readBlob('big/image', digestOf(layer));
    if (isTagged || read !== undefined) expect(digestOf(read ?? '')).toBe(digestOf(layer));
  }
}
