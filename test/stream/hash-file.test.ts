import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { expectVersion, hashFile, versionOf } from '../../server/stream/hash-file.js';

const folder = mkdtempSync(join(tmpdir(), 'bootdepot-hash-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PIECE = 512 * 1024;
const digest = (bytes: Buffer, name = 'sha256'): string => createHash(name).update(bytes).digest('hex');

function place(name: string, bytes: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test.each([0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 1_000_003])(
  'a file of %i bytes has the digests of its bytes',
  async (size) => {
    const bytes = randomBytes(size);
    const path = place(`size-${size}`, bytes);
    let seen = 0;
    const onBytes = (count: number): void => {
      seen += count;
    };
    const { hashes, version } = await hashFile(path, ['sha256', 'sha512'], { onBytes });
    expect(hashes.get('sha256')?.copy().digest('hex')).toBe(digest(bytes));
    expect(hashes.get('sha512')?.copy().digest('hex')).toBe(digest(bytes, 'sha512'));
    expect(version).toEqual(await versionOf(path));
    expect(seen).toBe(size);
  },
);

test('files that are hashed at once do not mix', async () => {
  const all = Array.from({ length: 8 }, (_, index) => randomBytes(700_000 + index));
  const hashed = await Promise.all(
    all.map((bytes, index) => hashFile(place(`at-once-${index}`, bytes), ['sha256'])),
  );
  const digests = hashed.map(({ hashes }) => hashes.get('sha256')?.digest('hex'));
  expect(digests).toEqual(all.map((bytes) => digest(bytes)));
});

test.each<[string, (path: string) => void]>([
  ['grows', (path) => appendFileSync(path, 'more')],
  ['shrinks', (path) => truncateSync(path, PIECE)],
  ['is written to, and its time set back', (path) => rewrite(path)],
  ['is replaced', (path) => replace(path)],
])('a file that %s meanwhile is noticed', async (name, change) => {
  const path = place(name, randomBytes(4 * PIECE));
  let done = false;
  const onBytes = (): void => {
    if (!done) change(path);
    done = true;
  };
  await expect(hashFile(path, ['sha256'], { onBytes })).rejects.toMatchObject({ code: 'FILE_CHANGED' });
});

function rewrite(path: string): void {
  writeFileSync(path, randomBytes(4 * PIECE));
  utimesSync(path, 1_500_000_000, 1_500_000_000);
}

function replace(path: string): void {
  writeFileSync(`${path}.new`, randomBytes(4 * PIECE));
  renameSync(`${path}.new`, path);
}

test('a file that changed afterwards is not the version that was hashed', async () => {
  const path = place('later', Buffer.from('one'));
  const { version } = await hashFile(path, ['sha256']);
  await expectVersion(path, version);
  replace(path);
  await expect(expectVersion(path, version)).rejects.toMatchObject({ code: 'FILE_CHANGED' });
});

test('a link is followed, and turning it elsewhere is a change', async () => {
  const path = join(folder, 'current');
  place('v1', randomBytes(4 * PIECE));
  place('v2', randomBytes(4 * PIECE));
  symlinkSync('v1', path);
  const turn = (): void => {
    rmSync(path);
    symlinkSync('v2', path);
  };
  await expect(hashFile(path, ['sha256'], { onBytes: turn })).rejects.toMatchObject({ code: 'FILE_CHANGED' });
});

test('an interrupted hash ends early', async () => {
  const path = place('long', randomBytes(4 * PIECE));
  const stop = new AbortController();
  const onBytes = (): void => stop.abort();
  const hashing = hashFile(path, ['sha256'], { signal: stop.signal, onBytes });
  await expect(hashing).rejects.toMatchObject({ code: 'INTERRUPTED' });
});

test('a folder and a missing file are named', async () => {
  await expect(hashFile(folder, ['sha256'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(hashFile(join(folder, 'none'), ['sha256'])).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: `${join(folder, 'none')} does not exist`,
  });
});
