/** Messages that wait on the disk: in order, bounded, and there again after the process ended. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Spool } from '../../server/registry/notify/spool.js';

let folder: string;
let dropped: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-spool-'));
  dropped = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (most = 100) => Spool.open(join(folder, 'a/b'), { most, onDropped: (why) => dropped.push(why) });
const message = (body: string) => ({ contentType: 'application/json', body: `{"is":"${body}"}` });

/** Takes all that is waiting. */
async function drain(spool: Spool): Promise<string[]> {
  const bodies: string[] = [];
  for (let next = await spool.oldest(); next !== undefined; next = await spool.oldest()) {
    expect(next.message.contentType).toBe('application/json');
    bodies.push(next.message.body.slice(7, -2));
    await spool.remove(next.number);
  }
  return bodies;
}

const letters = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `m${from + index}`);

test('what is added at once comes out in the order in which it was added', async () => {
  const spool = await open();
  await Promise.all(letters(0, 50).map((body) => spool.add(message(body))));
  expect(spool.size).toBe(50);
  expect(await drain(spool)).toEqual(letters(0, 50));
  expect(await readdir(join(folder, 'a/b'))).toEqual([]);
});

test('the oldest stays the oldest until it is removed', async () => {
  const spool = await open();
  await spool.add(message('a'));
  await spool.add(message('b'));
  expect(await spool.oldest()).toEqual(await spool.oldest());
  expect(await drain(spool)).toEqual(['a', 'b']);
});

test('another process finds what one left, and goes on behind it', async () => {
  const first = await open();
  for (const body of letters(0, 12)) await first.add(message(body));
  const second = await open();
  expect(second.size).toBe(12);
  await second.add(message('last'));
  expect(await drain(second)).toEqual([...letters(0, 12), 'last']);
});

test('beyond its bound the oldest are given up, in the process and when it is opened', async () => {
  const spool = await open(10);
  for (const body of letters(0, 14)) await spool.add(message(body));
  expect(spool.size).toBe(10);
  expect(dropped).toEqual(Array(4).fill('too many are waiting'));
  const smaller = await open(3);
  expect(await drain(smaller)).toEqual(letters(11, 14));
  expect(dropped).toHaveLength(11);
});

test('a file that a crash of the machine left empty or in part is passed over, and said', async () => {
  const spool = await open();
  for (const body of letters(0, 4)) await spool.add(message(body));
  const [first = '', second = ''] = (await readdir(join(folder, 'a/b'))).sort();
  await writeFile(join(folder, 'a/b', first), '');
  await writeFile(join(folder, 'a/b', second), 'application/json\n{"is":"m');
  expect(await drain(await open())).toEqual(letters(2, 4));
  expect(dropped).toEqual(Array(2).fill('its file is damaged or gone'));
});

test('a folder that cannot be used loses messages, and nothing else', async () => {
  await writeFile(join(folder, 'a'), 'in the way');
  const spool = await open();
  await spool.add(message('a'));
  expect(await spool.oldest()).toBeUndefined();
  expect(dropped).toEqual([expect.stringMatching(/^it cannot be kept: /)]);
  await rm(join(folder, 'a'));
  await spool.add(message('b'));
  expect(await drain(spool)).toEqual(['b']);
});
