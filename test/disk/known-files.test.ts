import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { KnownFiles } from '../../server/disk/known-files.js';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-known-'));
  path = join(folder, 'file');
  await writeFile(path, 'old');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A clock that is far ahead, so that every file has been left alone for long. */
const later = () => Date.now() + 60_000;

/** Learns, and waits until that has been done. */
async function learn<T>(known: KnownFiles<T>, key: string, value: T, bytes = 1): Promise<void> {
  await new Promise<void>((resolve) => {
    known.learn(key, async (watch) => {
      await watch(path);
      setImmediate(resolve);
      return { value, bytes };
    });
  });
  for (let count = 0; count < 50 && known.find(key) === undefined; count += 1) await turn();
}

test('what was learnt is known until a file changes', async () => {
  const known = new KnownFiles<string>(10_000, later);
  expect(known.find('a')).toBeUndefined();
  await learn(known, 'a', 'old');
  expect(known.find('a')).toBe('old');
  await writeFile(path, 'new');
  await turn();
  expect(known.find('a')).toBeUndefined();
});

test('a change under an old modification time is seen, too', async () => {
  const known = new KnownFiles<string>(10_000, later);
  const when = new Date(1_000_000_000_000);
  await utimes(path, when, when);
  await learn(known, 'a', 'old');
  expect(known.find('a')).toBe('old');
  await writeFile(path, 'new');
  await utimes(path, when, when);
  await turn();
  expect(known.find('a')).toBeUndefined();
});

test('what is too fresh is not trusted', async () => {
  const known = new KnownFiles<string>(10_000);
  await writeFile(path, 'fresh');
  await learn(known, 'a', 'fresh');
  expect(known.find('a')).toBeUndefined();
});

test('what changes while it is read is not kept', async () => {
  const known = new KnownFiles<string>(10_000, later);
  await new Promise<void>((resolve) => {
    known.learn('a', async (watch) => {
      await watch(path);
      await writeFile(path, 'changed');
      setImmediate(resolve);
      return { value: 'old', bytes: 1 };
    });
  });
  for (let count = 0; count < 20; count += 1) await turn();
  expect(known.find('a')).toBeUndefined();
});

test('no more is kept than allowed, and what is asked for stays', async () => {
  const known = new KnownFiles<number>(10_000, later);
  for (let count = 0; count < 10; count += 1) {
    await learn(known, `${count}`, count, 2000);
    known.find('0');
  }
  const kept = Array.from({ length: 10 }, (_, count) => known.find(`${count}`)).filter(
    (value) => value !== undefined,
  );
  expect(kept).toContain(0);
  expect(kept.length).toBeGreaterThan(1);
  expect(kept.length).toBeLessThanOrEqual(3);
});
