/** A conversion into a folder of assets that dies or finds no room at any of its calls to the disk. */
import * as real from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { writeLayout } from '../fixtures/oci-layout.js';
import { buildTar } from '../fixtures/tar.js';
import { CrashingDisk } from '../registry/crash/crashing-disk.js';

const disk = new CrashingDisk(real);
jest.unstable_mockModule('node:fs/promises', () => disk.module);
const { convertInto, openSource, validateAci } = await import('../../server/index.js');
const { loadTestKey } = await import('../fixtures/test-key.js');

const MOST_CALLS = 60;
let folder: string;
beforeEach(async () => {
  folder = await real.mkdtemp(join(tmpdir(), 'bootdepot-into-'));
  await real.mkdir(join(folder, 'assets'));
  const layers = ['base', 'top'].map((name) => buildTar([{ name, content: name }]));
  writeLayout(join(folder, 'image'), { layers });
});
afterEach(() => real.rm(folder, { recursive: true, force: true }));

const files = () => real.readdir(join(folder, 'assets'));
const visible = async () => (await files()).filter((name) => !name.endsWith('.tmp')).sort();

async function convert(): Promise<void> {
  const source = await openSource(join(folder, 'image'), { platform: undefined, reference: undefined });
  const key = await loadTestKey();
  const signing = { key, hashName: 'sha512', retired: new Set<string>(), now: () => new Date() } as const;
  try {
    await convertInto(source, { path: join(folder, 'assets/app.aci'), signing });
  } finally {
    await source.close();
  }
}

async function expectDone(): Promise<void> {
  await convert();
  expect(await visible()).toEqual(['app.aci', 'app.aci.asc']);
  expect((await validateAci(join(folder, 'assets/app.aci'))).problems).toEqual([]);
}

async function startAgain(): Promise<void> {
  await real.rm(join(folder, 'assets'), { recursive: true });
  await real.mkdir(join(folder, 'assets'));
}

test('a process that dies at any call leaves the whole image, its signature alone or nothing, and the next one succeeds', async () => {
  const left = new Set<string>();
  let ended: string | undefined;
  for (let point = 0; ended !== 'done' && point < MOST_CALLS; point += 1) {
    await startAgain();
    ended = await disk.start(point, convert);
    left.add((await visible()).join(' '));
    await expectDone();
  }
  expect(ended).toBe('done');
  expect([...left]).toEqual(['', 'app.aci.asc', 'app.aci app.aci.asc']);
});

test('a disk that becomes full at any call is told, nothing is left, and with room again it succeeds', async () => {
  let failures = 0;
  for (let room = 0; room < MOST_CALLS; room += 1) {
    const error = await disk.fill(room, convert).catch((reason: unknown) => reason);
    if (error === undefined) break;
    failures += 1;
    expect(error).toMatchObject({ code: 'DISK_FULL' });
    expect(await files()).toEqual([]);
  }
  expect(failures).toBeGreaterThan(1);
  await expectDone();
});
