import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { isInside, walkFiles } from '../../server/disk/walk.js';
import type { DepotError } from '../../server/errors.js';

const base = mkdtempSync(join(tmpdir(), 'bootdepot-walk-'));
const root = join(base, 'root');

beforeAll(() => {
  mkdirSync(join(root, 'b/deep'), { recursive: true });
  mkdirSync(join(base, 'outside'));
  for (const file of ['z', 'a:1', 'b/deep/x', '.hidden', '../outside/secret'])
    writeFileSync(join(root, file), file);
  symlinkSync('a:1', join(root, 'link-in'));
  symlinkSync('../outside/secret', join(root, 'link-out'));
  symlinkSync('../outside', join(root, 'folder-out'));
  symlinkSync('nowhere', join(root, 'broken'));
  symlinkSync('../..', join(root, 'b/deep/loop'));
  symlinkSync('.', join(root, 'self'));
  execFileSync('mkfifo', [join(root, 'fifo')]);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

async function walk(symlinks: 'inside' | 'follow', folder = root): Promise<string[]> {
  const found: string[] = [];
  for await (const path of walkFiles(folder, { symlinks })) found.push(path);
  return found;
}

test('regular files come sorted; dot files, fifos, broken links and loops do not', async () => {
  expect(await walk('inside')).toEqual(['a:1', 'b/deep/x', 'link-in', 'z']);
});

test('links that leave the root count only when they are followed', async () => {
  expect(await walk('follow')).toEqual(['a:1', 'b/deep/x', 'folder-out/secret', 'link-in', 'link-out', 'z']);
});

test('a root that is a link itself ends its loops too', async () => {
  symlinkSync('root', join(base, 'alias'));
  expect(await walk('inside', join(base, 'alias'))).toEqual(['a:1', 'b/deep/x', 'link-in', 'z']);
});

test('a missing folder is named', async () => {
  await expect(walk('inside', join(base, 'none'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test.each([
  ['/a', '/a', true],
  ['/a', '/a/b', true],
  ['/a', '/ab', false],
  ['/', '/x', true],
])('%s holds %s: %s', (folder, path, held) => expect(isInside(folder, path)).toBe(held));

test('a folder that cannot be read ends the walk, or is told and passed over where somebody listens', async () => {
  const folder = mkdtempSync(join(base, 'vanishing-'));
  const walkWhileOneGoes = async (onUnreadable?: (error: DepotError) => void): Promise<string[]> => {
    for (const file of ['a/1', 'b/2', 'c/3']) {
      mkdirSync(join(folder, file, '..'), { recursive: true });
      writeFileSync(join(folder, file), file);
    }
    const found: string[] = [];
    for await (const path of walkFiles(folder, {
      symlinks: 'inside',
      ...(onUnreadable && { onUnreadable }),
    })) {
      found.push(path);
      rmSync(join(folder, 'b'), { recursive: true, force: true });
    }
    return found;
  };
  await expect(walkWhileOneGoes()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const told: string[] = [];
  expect(await walkWhileOneGoes(({ message }) => told.push(message))).toEqual(['a/1', 'c/3']);
  expect(told).toEqual([`${join(folder, 'b')} does not exist`]);
});
