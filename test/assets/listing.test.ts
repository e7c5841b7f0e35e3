import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type ListingEntry, listFolder } from '../../server/assets/listing.js';

let outside: string;
let root: string;

beforeEach(() => {
  outside = realpathSync(mkdtempSync(join(tmpdir(), 'bootdepot-listing-')));
  root = join(outside, 'root');
  mkdirSync(root);
});

afterEach(() => {
  rmSync(outside, { recursive: true, force: true });
});

async function list(symlinks: 'inside' | 'follow' = 'inside'): Promise<ListingEntry[]> {
  const entries: ListingEntry[] = [];
  for await (const batch of await listFolder({ path: root, root, symlinks })) entries.push(...batch);
  return entries;
}

const namesOf = (entries: readonly ListingEntry[]) => entries.map(({ name }) => name);

describe('a listing', () => {
  test('says name, type, size, time and signature', async () => {
    const modified = new Date('2024-05-06T07:08:09.123Z');
    const later = new Date('2024-05-06T07:08:10Z');
    mkdirSync(join(root, 'folder'));
    writeFileSync(join(root, 'a:1.aci'), 'twelve bytes');
    writeFileSync(join(root, 'a:1.aci.asc'), 'x');
    utimesSync(join(root, 'folder'), modified, modified);
    utimesSync(join(root, 'a:1.aci'), modified, modified);
    utimesSync(join(root, 'a:1.aci.asc'), later, later);
    expect(await list()).toEqual([
      { name: 'folder', type: 'folder', size: null, modified, signature: null },
      { name: 'a:1.aci', type: 'file', size: 12, modified, signature: 'signed' },
      { name: 'a:1.aci.asc', type: 'file', size: 1, modified: later, signature: null },
    ]);
  });

  test('has folders first, and both in the order of their names', async () => {
    for (const name of ['b', 'a', 'Z', '10', '9', '\u00e4', 'a:1']) {
      writeFileSync(join(root, name), '');
      mkdirSync(join(root, `${name}.d`));
    }
    const sorted = ['10', '9', 'Z', 'a', 'a:1', 'b', '\u00e4'];
    const folders = ['10.d', '9.d', 'Z.d', 'a.d', 'a:1.d', 'b.d', '\u00e4.d'];
    expect(namesOf(await list())).toEqual([...folders, ...sorted]);
  });

  test('leaves out what is never served', async () => {
    writeFileSync(join(root, '.hidden'), '');
    writeFileSync(join(root, 'back\\slash'), '');
    mkdirSync(join(root, '.git'));
    spawnSync('mkfifo', [join(root, 'fifo')]);
    symlinkSync('nowhere', join(root, 'broken'));
    symlinkSync('/dev/null', join(root, 'device'));
    expect(await list('follow')).toEqual([]);
  });

  test('has links as what they lead to, if they may be followed', async () => {
    mkdirSync(join(root, 'folder'));
    mkdirSync(join(outside, 'elsewhere'));
    writeFileSync(join(outside, 'file'), '1234');
    symlinkSync('folder', join(root, 'inside'));
    symlinkSync('../elsewhere', join(root, 'elsewhere'));
    symlinkSync('../file', join(root, 'file'));
    expect(namesOf(await list('inside'))).toEqual(['folder', 'inside']);
    const followed = await list('follow');
    expect(namesOf(followed)).toEqual(['elsewhere', 'folder', 'inside', 'file']);
    expect(followed.at(-1)).toMatchObject({ type: 'file', size: 4 });
  });

  test('leaves out a file that vanishes while it is made', async () => {
    for (let index = 0; index < 100; index += 1) writeFileSync(join(root, `f${index}`), '');
    const batches = await listFolder({ path: root, root, symlinks: 'inside' });
    for (let index = 0; index < 100; index += 1) unlinkSync(join(root, `f${index}`));
    for await (const batch of batches) expect(batch).toEqual([]);
  });

  test('of a folder that cannot be read fails at once', async () => {
    const missing = { path: join(root, 'missing'), root, symlinks: 'inside' as const };
    await expect(listFolder(missing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    writeFileSync(join(root, 'file'), '');
    await expect(listFolder({ ...missing, path: join(root, 'file') })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});
