/** The lock of a collection: kept while its holder lives, and no longer. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { lstat, mkdtemp, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { makeFolder } from '../../server/index.js';
import { Layout } from '../../server/registry/layout.js';
import { awaitSweep, holdSweepLock } from '../../server/registry/sweep-lock.js';

let layout: Layout;
let lock: string;
beforeEach(async () => {
  layout = new Layout(await mkdtemp(join(tmpdir(), 'bootdepot-lock-')));
  await makeFolder(layout.own());
  lock = layout.own('sweeping');
});
afterEach(() => rm(layout.root, { recursive: true, force: true }));

/** What a lock says, with the number of another process in the place of ours. */
async function ownerWith(pid: number): Promise<string> {
  const own = await holdSweepLock(layout, () => readlink(lock));
  expect(own).toMatch(new RegExp(`/${process.pid}$`));
  return own.replace(/\d+$/, String(pid));
}

/** Whether there is a link, though it leads nowhere. */
function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function deadPid(): Promise<number> {
  const child = spawn('true');
  await once(child, 'exit');
  return child.pid ?? 0;
}

test('who builds waits until it is released', async () => {
  const order: string[] = [];
  let waiting: Promise<void> | undefined;
  await holdSweepLock(layout, async () => {
    waiting = awaitSweep(layout).then(() => void order.push('built'));
    await new Promise((wake) => setTimeout(wake, 60));
    order.push('removed');
  });
  await waiting;
  expect(order).toEqual(['removed', 'built']);
});

test('of a process that was killed holds up nobody, however many find it', async () => {
  await symlink(await ownerWith(await deadPid()), lock);
  let held = 0;
  await Promise.all([
    ...Array.from({ length: 20 }, () => awaitSweep(layout)),
    ...Array.from({ length: 5 }, () =>
      holdSweepLock(layout, async () => {
        held += 1;
        expect(held).toBe(1);
        await new Promise((wake) => setTimeout(wake, 5));
        held -= 1;
      }),
    ),
  ]);
  expect([await isThere(lock), await isThere(layout.own('sweeping-ended'))]).toEqual([false, false]);
});

test('of a process that was killed while it removed the lock of another one holds up nobody either', async () => {
  const owner = await ownerWith(await deadPid());
  await symlink(owner, lock);
  await symlink(owner, layout.own('sweeping-ended'));
  await awaitSweep(layout);
});

describe('is waited for', () => {
  test.each<[string, (dead: string) => string]>([
    ['where its holder lives', () => ''],
    ['where it is another machine’s, or of another start of this one', (dead) => `0${dead}`],
    ['where its holder has a number of other numbers', (dead) => dead.replace(/\/\d+\//, '/1/')],
    ['where nobody knows whose it is', () => 'unknown'],
  ])('%s', async (_, ownerOf) => {
    const dead = await ownerWith(await deadPid());
    await symlink(ownerOf(dead) || (await ownerWith(process.ppid)), lock);
    let waited = false;
    const waiting = awaitSweep(layout).then(() => {
      waited = true;
    });
    await new Promise((wake) => setTimeout(wake, 80));
    expect([waited, await isThere(lock)]).toEqual([false, true]);
    await rm(lock);
    await waiting;
  });
});
