import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { digestOf } from '../../server/oci/digest.js';
import { Content } from '../../server/registry/content.js';
import { Layout } from '../../server/registry/layout.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-content-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('who finds damage late does not put aside what was pushed again in the meantime', async () => {
  const layout = new Layout(folder);
  const damaged: string[] = [];
  const content = new Content(layout, (digest) => void damaged.push(digest));
  const digest = digestOf('sha256', createHash('sha256').update('right').digest('hex'));
  await mkdir(dirname(layout.data(digest)), { recursive: true });
  await writeFile(layout.data(digest), 'wrong');
  const found = await content.find(digest);
  if (found === undefined) throw new Error('not found');
  await writeFile(join(folder, 'pushed'), 'right');
  await content.place(digest, join(folder, 'pushed'));
  await content.quarantine(found);
  expect(await readFile(layout.data(digest), 'utf8')).toBe('right');
  expect(damaged).toEqual([]);
});

test('content that many want is read once for all of them', async () => {
  const layout = new Layout(folder);
  const content = new Content(layout, () => undefined);
  const digest = digestOf('sha256', createHash('sha256').update('right').digest('hex'));
  await mkdir(dirname(layout.data(digest)), { recursive: true });
  await writeFile(layout.data(digest), 'right');
  const found = await content.find(digest);
  if (found === undefined) throw new Error('not found');
  const [one, other] = [content.check(found), content.check(found)];
  expect(other).toBe(one);
  expect([await one, await other]).toEqual([true, true]);
  const later = content.check(found);
  expect(later).not.toBe(one);
  expect(await later).toBe(true);
});
