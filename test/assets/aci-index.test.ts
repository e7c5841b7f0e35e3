/** Images of an assets folder by name and labels, as files come and go. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AciIndex, type AciIndexOptions } from '../../server/assets/aci-index.js';
import type { WantedAci } from '../../server/assets/choose-aci.js';
import { type AciSpec, buildAci } from '../fixtures/aci.js';

const LABELS = { os: 'linux', arch: 'amd64' };
const ETCD = 'example.com/coreos/etcd';

let folder: string;
let dir: string;
let passedOver: string[];
let troubles: string[];
const open: AciIndex[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-index-'));
  dir = join(folder, 'assets');
  mkdirSync(dir);
  passedOver = [];
  troubles = [];
});
afterEach(async () => {
  for (const index of open.splice(0)) await index.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** An index that looks each time it is asked. */
function index(options: Partial<AciIndexOptions> = {}): AciIndex {
  const made = new AciIndex({
    assets: { dir, symlinks: 'inside' },
    memoryPath: join(folder, 'aci-index.jsonl'),
    latest: 'newest',
    lookEveryMs: 0,
    onPassedOver: (file, reason) => passedOver.push(`${file}: ${reason}`),
    onTrouble: ({ message }) => troubles.push(message),
    ...options,
  });
  open.push(made);
  return made;
}

async function put(file: string, spec: AciSpec): Promise<void> {
  mkdirSync(dirname(join(dir, file)), { recursive: true });
  writeFileSync(join(dir, file), await buildAci({ name: ETCD, labels: LABELS, ...spec }));
}

function sign(file: string): void {
  writeFileSync(join(dir, `${file}.asc`), 'a signature');
}

async function find(images: AciIndex, wanted: Partial<WantedAci> = {}): Promise<string | undefined> {
  return (await images.find({ image: ETCD, version: 'latest', ...LABELS, ...wanted }))?.file;
}

describe('an index of images', () => {
  test('finds an image by its name and labels wherever its file lies, and its parents by their names', async () => {
    await put('some/folder/file.aci', { version: 'v1' });
    await put('arm.aci', { version: 'v1', labels: { os: 'linux', arch: 'aarch64' } });
    const images = index();
    expect(await find(images, { version: 'v1' })).toBe('some/folder/file.aci');
    expect(await find(images, { version: 'v1', arch: 'aarch64' })).toBe('arm.aci');
    expect(await find(images, { version: 'v1', arch: 'i386' })).toBeUndefined();
    expect(await find(images, { version: 'v2' })).toBeUndefined();
    expect(await find(images, { image: 'example.com/coreos' })).toBeUndefined();
    const names = [ETCD, 'example.com/coreos', 'example.com', 'example.com/core', `${ETCD}/x`, ''];
    expect(await Promise.all(names.map((name) => images.knows(name)))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  test('follows files that are added, replaced, renamed and removed', async () => {
    const images = index();
    expect(await find(images)).toBeUndefined();
    await put('a.aci', { version: 'v1' });
    expect(await find(images, { version: 'v1' })).toBe('a.aci');
    await put('a.aci', { version: 'v2' });
    expect(await find(images, { version: 'v1' })).toBeUndefined();
    expect(await find(images, { version: 'v2' })).toBe('a.aci');
    renameSync(join(dir, 'a.aci'), join(dir, 'b.aci'));
    expect(await find(images, { version: 'v2' })).toBe('b.aci');
    unlinkSync(join(dir, 'b.aci'));
    expect(await find(images, { version: 'v2' })).toBeUndefined();
    expect(await images.knows('example.com')).toBe(false);
  });

  test('never gives a file that is not the one it saw, even while it does not look', async () => {
    await put('a.aci', { version: 'v1' });
    const images = index({ lookEveryMs: 3_600_000 });
    expect(await find(images, { version: 'v1' })).toBe('a.aci');
    renameSync(join(dir, 'a.aci'), join(dir, 'b.aci'));
    expect(await find(images, { version: 'v1' })).toBe('b.aci');
    await put('b.aci', { version: 'v2' });
    expect(await find(images, { version: 'v1' })).toBeUndefined();
    await put('c.aci', { version: 'v3' });
    expect(await find(images, { version: 'v3' })).toBeUndefined();
  });

  test('reads a manifest once for each version of a file, over a restart, too', async () => {
    writeFileSync(join(dir, 'broken.aci'), '<html>');
    await put('a.aci', { version: 'v1' });
    const first = index();
    expect(await find(first)).toBe('a.aci');
    await find(first);
    const told = 'broken.aci: ';
    expect(passedOver).toEqual([expect.stringContaining(told)]);
    await first.stop();

    // What the file of the memory says is taken as it is, so the manifest was not read again.
    const memory = join(folder, 'aci-index.jsonl');
    writeFileSync(memory, readFileSync(memory, 'utf8').replaceAll('coreos/etcd', 'coreos/flannel'));
    const second = index();
    expect(await find(second, { image: 'example.com/coreos/flannel' })).toBe('a.aci');
    expect(passedOver).toHaveLength(1);
    await put('a.aci', { version: 'v2' });
    expect(await find(second, { version: 'v2' })).toBe('a.aci');
  });

  test.each(['', '{', '["a.aci"]', '["a.aci",{"ino":1}]\nnull\n[]', '\0'])(
    'begins anew where the memory holds %p',
    async (text) => {
      writeFileSync(join(folder, 'aci-index.jsonl'), text);
      await put('a.aci', { version: 'v1' });
      expect(await find(index())).toBe('a.aci');
      expect(await find(index())).toBe('a.aci');
    },
  );

  test('goes on without a place for its memory, and says so once', async () => {
    await put('a.aci', { version: 'v1' });
    const images = index({ memoryPath: join(folder, 'gone', 'aci-index.jsonl') });
    expect(await find(images)).toBe('a.aci');
    expect(await find(images)).toBe('a.aci');
    expect(troubles).toEqual([expect.stringContaining('gone')]);
  });

  test('passes over what is no image, is not served, or says too much of itself', async () => {
    writeFileSync(join(dir, 'text.aci'), 'hello');
    writeFileSync(join(dir, 'empty.aci'), '');
    writeFileSync(join(dir, 'x.aci.asc'), '');
    mkdirSync(join(dir, 'folder.aci'));
    symlinkSync('nowhere', join(dir, 'dangling.aci'));
    await put('.hidden.aci', { version: 'v1' });
    await put('back\\slash.aci', { version: 'v1' });
    await put('long.aci', { version: 'v'.repeat(300) });
    await put('bad-name.aci', { name: 'Example.com/App', version: 'v1' });
    const images = index();
    expect(await find(images)).toBeUndefined();
    expect(passedOver.map((line) => line.split(':')[0]).sort()).toEqual(
      [
        'back\\slash.aci has a name that is not served',
        'bad-name.aci',
        'empty.aci',
        'long.aci',
        'text.aci',
      ].map((name) => (name.startsWith('back') ? 'back\\slash.aci' : name)),
    );
    expect(troubles).toEqual([]);
  });

  test('keeps to the rule of the assets for links, and never enters the folder of keys', async () => {
    const outside = join(folder, 'outside');
    const keys = join(folder, 'keys');
    for (const [place, version] of [
      [outside, 'v1'],
      [keys, 'v2'],
    ] as const) {
      mkdirSync(place);
      writeFileSync(join(place, 'a.aci'), await buildAci({ name: ETCD, version, labels: LABELS }));
      symlinkSync(join(place, 'a.aci'), join(dir, `${version}.aci`));
    }
    await put('inside.aci', { version: 'v3' });
    symlinkSync('inside.aci', join(dir, 'link.aci'));
    const strict = index();
    expect(await find(strict, { version: 'v1' })).toBeUndefined();
    expect(await find(strict, { version: 'v3' })).toBe('inside.aci');
    const lax = index({
      assets: { dir, symlinks: 'follow', keysDir: keys },
      memoryPath: join(folder, 'other.json'),
    });
    expect(await find(lax, { version: 'v1' })).toBe('v1.aci');
    expect(await find(lax, { version: 'v2' })).toBeUndefined();
  });

  test('sees the rest where a folder cannot be read, and says so once', async () => {
    await put('a/closed/x.aci', { version: 'v1' });
    await put('b/y.aci', { version: 'v2' });
    chmodSync(join(dir, 'a/closed'), 0);
    try {
      const images = index();
      expect(await find(images, { version: 'v2' })).toBe('b/y.aci');
      await find(images);
      // Nothing is closed to root.
      const closed =
        process.getuid?.() === 0 ? [] : [expect.stringContaining('a/closed may not be accessed')];
      expect(troubles).toEqual(closed);
    } finally {
      chmodSync(join(dir, 'a/closed'), 0o755);
    }
  });

  test('holds no more images than it may, and says so', async () => {
    for (const version of ['v1', 'v2', 'v3']) await put(`${version}.aci`, { version });
    const images = index({ mostImages: 2 });
    expect(await find(images)).toBe('v2.aci');
    expect(troubles).toEqual(['more than 2 ACIs: the rest is not found by name']);
  });

  test('says why where the folder is gone', async () => {
    rmSync(dir, { recursive: true });
    expect(await find(index())).toBeUndefined();
    expect(troubles).toEqual([`${dir} does not exist`]);
  });
});

describe('latest', () => {
  test('is the highest version, not the youngest file', async () => {
    await put('new.aci', { version: 'v1.10.0' });
    await put('old.aci', { version: 'v1.9.0' });
    utimesSync(join(dir, 'new.aci'), 1, 1);
    expect(await find(index())).toBe('new.aci');
  });

  test('is an image that calls itself so before any other', async () => {
    await put('a.aci', { version: 'latest' });
    await put('b.aci', { version: 'v99.0.0' });
    expect(await find(index())).toBe('a.aci');
    expect(await find(index({ latest: 'none' }))).toBe('a.aci');
  });

  test('is one with a signature where there are any: the rest may still be on its way', async () => {
    await put('v1.aci', { version: 'v1.0.0' });
    await put('v2.aci', { version: 'v2.0.0' });
    sign('v1.aci');
    const images = index();
    expect(await find(images)).toBe('v1.aci');
    sign('v2.aci');
    expect(await find(images)).toBe('v2.aci');
    unlinkSync(join(dir, 'v2.aci.asc'));
    expect(await find(images)).toBe('v1.aci');
  });

  test('is the youngest file where versions do not tell', async () => {
    await put('a.aci', { version: 'main' });
    await put('b.aci', { version: 'next' });
    utimesSync(join(dir, 'a.aci'), 2_000, 2_000);
    utimesSync(join(dir, 'b.aci'), 1_000, 1_000);
    expect(await find(index())).toBe('a.aci');
  });

  test('is an image without any version where there is no other', async () => {
    await put('a.aci', {});
    expect(await find(index())).toBe('a.aci');
    await put('b.aci', { version: 'v0.0.1' });
    expect(await find(index())).toBe('b.aci');
    expect(await find(index({ latest: 'none' }))).toBe('a.aci');
  });

  test('is nothing by configuration, and nothing of another architecture', async () => {
    await put('a.aci', { version: 'v1.0.0' });
    expect(await find(index({ latest: 'none' }))).toBeUndefined();
    expect(await find(index(), { arch: 'aarch64' })).toBeUndefined();
  });
});

test('of two files that say the same, the one with a signature counts, else the youngest', async () => {
  await put('a.aci', { version: 'v1' });
  await put('b.aci', { version: 'v1' });
  utimesSync(join(dir, 'a.aci'), 1_000, 1_000);
  utimesSync(join(dir, 'b.aci'), 2_000, 2_000);
  const images = index();
  expect(await find(images, { version: 'v1' })).toBe('b.aci');
  sign('a.aci');
  expect(await find(images, { version: 'v1' })).toBe('a.aci');
});
