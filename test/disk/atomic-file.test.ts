import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  createPendingFile,
  isTemporaryName,
  removeStaleTemporaries,
  writeFileAtomically,
} from '../../server/disk/atomic-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-atomic-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('half');
  throw new Error('the source broke');
}

test('the content arrives whole, with the permissions asked for', async () => {
  const path = join(folder, 'key');
  await writeFileAtomically(path, 'secret', { mode: 0o600 });
  expect(readFileSync(path, 'utf8')).toBe('secret');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['key']);
});

test('a name of 255 bytes can be written', async () => {
  const path = join(folder, 'n'.repeat(255));
  await writeFileAtomically(path, 'x');
  expect(readFileSync(path, 'utf8')).toBe('x');
});

test('a source that breaks leaves the old file and nothing else', async () => {
  const path = join(folder, 'file');
  writeFileSync(path, 'old');
  await expect(writeFileAtomically(path, failing())).rejects.toMatchObject({ code: 'IO_FAILED' });
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['file']);
});

test('a folder in the way is an error, and nothing is left behind', async () => {
  const path = join(folder, 'taken');
  mkdirSync(join(path, 'below'), { recursive: true });
  await expect(writeFileAtomically(path, 'x')).rejects.toMatchObject({ code: 'IO_FAILED' });
  expect(readdirSync(folder)).toEqual(['taken']);
});

test('a missing folder is named', async () => {
  const path = join(folder, 'nowhere', 'file');
  await expect(writeFileAtomically(path, 'x')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: `${path} does not exist`,
  });
});

test('until the commit the name does not exist', async () => {
  const path = join(folder, 'file');
  const pending = await createPendingFile(path);
  await pending.handle.writeFile('x');
  expect(existsSync(path)).toBe(false);
  expect(readdirSync(folder).every(isTemporaryName)).toBe(true);
  await pending.commit();
  expect(readdirSync(folder)).toEqual(['file']);
});

test('what a killed process left is removed, what a living one writes is kept', async () => {
  const killed = spawn('true');
  await once(killed, 'exit');
  const dead = `.bootdepot-${killed.pid}-0123456789ab.tmp`;
  const living = `.bootdepot-${process.pid}-0123456789ab.tmp`;
  const hung = `.bootdepot-${process.pid}-ba9876543210.tmp`;
  for (const name of [dead, living, hung, '.bootdepot-notes']) writeFileSync(join(folder, name), 'x');
  utimesSync(join(folder, hung), 1_000_000, 1_000_000);
  expect(await removeStaleTemporaries(folder)).toBe(2);
  expect(readdirSync(folder).sort()).toEqual(['.bootdepot-notes', living].sort());
});
