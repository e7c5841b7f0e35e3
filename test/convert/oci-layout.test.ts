/** Images in layouts: which one is taken, what it is called, what is checked (sections 1 and 2, checks 1, 2 and 11). */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parsePlatform } from '../../server/convert/platform.js';
import type { ImageSource } from '../../server/index.js';
import { openSource } from '../../server/index.js';
import { type LayoutImage, writeImage, writeIndex, writeLayout, writeList } from '../fixtures/oci-layout.js';
import { buildTar } from '../fixtures/tar.js';

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'bootdepot-layout-')), 'My App.v1');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

const image = (name: string, more: Partial<LayoutImage> = {}): LayoutImage => ({
  layers: [buildTar([{ name }])],
  ...more,
});
const open = (ref = '', platform?: string): Promise<ImageSource> =>
  openSource(`oci:${folder}${ref}`, {
    platform: platform === undefined ? undefined : parsePlatform(platform),
    reference: undefined,
  });
const named = (name: string) => ({ annotations: { 'org.opencontainers.image.ref.name': name } });
const platformOf = async (source: Promise<ImageSource>): Promise<string> => {
  const { os, architecture, variant } = JSON.parse((await source).config.toString('utf8'));
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
};

describe('1. what the image is called', () => {
  test('the folder and latest, where the layout says nothing', async () => {
    writeLayout(folder, image('a'));
    expect((await open()).reference).toEqual({
      host: undefined,
      repository: 'my-app',
      tag: 'latest',
      typed: undefined,
    });
  });

  test('the folder and the name in the index as the tag', async () => {
    writeLayout(folder, image('a', { descriptor: named('v7') }));
    expect((await open(':v7')).reference).toMatchObject({ repository: 'my-app', tag: 'v7' });
  });

  test('a full name in the index, containerd or not', async () => {
    const annotations = {
      'org.opencontainers.image.ref.name': 'v7',
      'io.containerd.image.name': 'quay.io/a/b:v7',
    };
    writeLayout(folder, image('a', { descriptor: { annotations } }));
    for (const ref of ['', ':v7', ':quay.io/a/b:v7']) {
      if (ref.includes('/')) continue;
      expect((await open(ref)).reference).toMatchObject({ host: 'quay.io', repository: 'a/b', tag: 'v7' });
    }
  });
});

describe('2. which image is taken', () => {
  test('several need a name, and the message lists them', async () => {
    writeLayout(folder, image('a', { descriptor: named('one') }), image('b', { descriptor: named('two') }));
    await expect(open()).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining('one, two'),
    });
    await expect(open(':three')).rejects.toThrow('no image three; there is one, two');
    expect((await open(':two')).layers).toHaveLength(1);
  });

  test('an empty layout', async () => {
    writeIndex(folder, []);
    await expect(open()).rejects.toThrow('has no images');
  });

  test.each([
    [undefined, 'linux/amd64'],
    ['linux/amd64', 'linux/amd64'],
    ['linux/arm64', 'linux/arm64/v8'],
    ['linux/arm64/v8', 'linux/arm64/v8'],
    ['linux/arm/v7', 'linux/arm/v6'],
    ['linux/arm', 'linux/arm/v6'],
    ['linux/arm/v6', 'linux/arm/v6'],
  ])('of a list for %s it is %s', async (wanted, expected) => {
    writeIndex(folder, [platformList()]);
    expect(await platformOf(open('', wanted))).toBe(expected);
  });

  test('of a list for what it does not have, the offer is told', async () => {
    writeIndex(folder, [platformList()]);
    await expect(open('', 'linux/arm/v5')).rejects.toThrow(
      'there is linux/amd64, linux/arm64/v8, linux/arm/v6',
    );
    await expect(open('', 'windows/amd64')).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  test('the manifest hash is that of the image, never of the list', async () => {
    const amd64 = writeImage(folder, image('a'));
    writeIndex(folder, [writeList(folder, [{ ...amd64, platform: { os: 'linux', architecture: 'amd64' } }])]);
    expect(amd64).toMatchObject({ digest: (await open()).manifestHash });
  });

  test('a list without platforms is read in the configs; lists in lists are bounded', async () => {
    const arm = writeImage(folder, image('b', { config: { architecture: 'arm64' } }));
    let list = writeList(folder, [writeImage(folder, image('a')), arm]);
    writeIndex(folder, [list]);
    expect(await platformOf(open('', 'linux/arm64'))).toBe('linux/arm64');
    for (let level = 0; level < 5; level += 1) list = writeList(folder, [list]);
    writeIndex(folder, [list]);
    await expect(open()).rejects.toThrow('nested deeper');
  });

  test('a single image of another platform is taken, unless one was asked for', async () => {
    writeLayout(folder, image('a', { config: { architecture: 'arm' } }));
    expect(await platformOf(open())).toBe('linux/arm');
    await expect(open('', 'linux/amd64')).rejects.toThrow('no image for linux/amd64, there is linux/arm');
  });
});

describe('11. what is missing or wrong', () => {
  test('a blob that is not there', async () => {
    writeLayout(folder, image('a'));
    const { layers, manifestHash } = await open();
    rmSync(join(folder, 'blobs/sha256', manifestHash.slice(7)));
    await expect(open()).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining('is not in the layout'),
    });
    for (const name of readdirSync(join(folder, 'blobs/sha256'))) rmSync(join(folder, 'blobs/sha256', name));
    const [layer] = layers;
    await expect(layer?.open(undefined)[Symbol.asyncIterator]().next()).rejects.toThrow(
      'is not in the layout',
    );
  });

  test('a manifest that is not what its digest says', async () => {
    writeLayout(folder, image('a'));
    const { manifestHash } = await open();
    const path = join(folder, 'blobs/sha256', manifestHash.slice(7));
    writeFileSync(path, '{}');
    await expect(open()).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  test('no layout at all, and an index that is none', async () => {
    await expect(open()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    writeIndex(folder, []);
    for (const text of [
      '{',
      '[]',
      '{"schemaVersion":2,"manifests":[{"digest":"../../etc/passwd","size":1}]}',
    ]) {
      writeFileSync(join(folder, 'index.json'), text);
      await expect(open()).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    }
  });

  test('what is written in no way that is known', async () => {
    const choice = { platform: undefined, reference: undefined };
    await expect(openSource('ftp://x', choice)).rejects.toMatchObject({ code: 'USAGE' });
    expect(() => parsePlatform('linux')).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => parsePlatform('linux/arm/v7/x')).toThrow('os/arch');
  });
});

function platformList(): object {
  const one = (architecture: string, variant?: string) => ({
    ...writeImage(folder, image(`${architecture}${variant}`, { config: { architecture, variant } })),
    platform: { os: 'linux', architecture, ...(variant !== undefined && { variant }) },
  });
  const attestation = {
    ...writeImage(folder, image('attestation')),
    platform: { os: 'unknown', architecture: 'unknown' },
  };
  const foreign = { ...writeImage(folder, image('foreign')), mediaType: 'application/x-other' };
  return writeList(folder, [attestation, foreign, one('amd64'), one('arm64', 'v8'), one('arm', 'v6')]);
}
