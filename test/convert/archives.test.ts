/** Images in archives: of docker save in all its generations, of skopeo, of OCI layouts. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parsePlatform } from '../../server/convert/platform.js';
import { convertImage, type ImageSource, openSource } from '../../server/index.js';
import { describeWith } from '../clients/programs.js';
import { readAciTree } from '../fixtures/aci-tree.js';
import { writeLayout } from '../fixtures/oci-layout.js';
import { buildTar, type TarMember } from '../fixtures/tar.js';

let folder: string;
let scratch: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-archives-'));
  scratch = join(folder, 'scratch');
  mkdirSync(scratch);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');
const BASE = buildTar([{ name: 'base', content: 'b' }]);
const TOP = buildTar([{ name: 'top', content: 't' }]);
const [BASE_ID, TOP_ID] = ['a'.repeat(64), 'b'.repeat(64)];
const CONFIG = JSON.stringify({
  os: 'linux',
  architecture: 'amd64',
  config: {},
  rootfs: { type: 'layers', diff_ids: [BASE, TOP].map((layer) => `sha256:${sha256(layer)}`) },
});
const CONFIG_NAME = `${sha256(CONFIG)}.json`;

const json = (name: string, value: unknown): TarMember => ({ name, content: JSON.stringify(value) });
const link = (name: string, linkName: string, type = '2'): TarMember => ({ name, linkName, type });
const manifestJson = (layers: readonly string[], tags: readonly string[] | null = ['quay.io/team/app:v1']) =>
  json('manifest.json', [{ Config: CONFIG_NAME, RepoTags: tags, Layers: layers }]);
const oldMembers = (parent: string = BASE_ID): TarMember[] => [
  json('repositories', { 'quay.io/team/app': { v1: TOP_ID } }),
  json(`${TOP_ID}/json`, { id: TOP_ID, parent, os: 'linux', architecture: 'amd64', config: {} }),
  json(`${BASE_ID}/json`, { id: BASE_ID }),
  { name: `${TOP_ID}/layer.tar`, content: TOP },
  { name: `${BASE_ID}/layer.tar`, content: BASE },
];
const newMembers = (): TarMember[] => [
  { name: CONFIG_NAME, content: CONFIG },
  { name: 'base.tar', content: BASE },
  { name: 'top.tar', content: TOP },
  manifestJson(['base.tar', 'top.tar']),
];

function archive(members: readonly TarMember[], pack: (tar: Buffer) => Uint8Array = (tar) => tar): string {
  const path = join(folder, 'My App.v1.tar');
  writeFileSync(path, pack(buildTar(members)));
  return path;
}

async function using<T>(
  text: string,
  work: (source: ImageSource) => Promise<T>,
  platform?: string,
): Promise<T> {
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  const source = await openSource(text, { platform: wanted, reference: undefined, scratch });
  return work(source).finally(() => source.close());
}
const factsOf = (text: string) =>
  using(text, async ({ layers: _, config: __, close: ___, ...facts }) => facts);
const treeOf = (text: string) =>
  using(text, async (source) => {
    const path = join(folder, 'out.aci');
    await convertImage(source, { path });
    return readAciTree(path);
  });
const namesOf = async (text: string) =>
  [...(await treeOf(text)).files.keys()].filter((name) => /^[bt]/.test(name));

describe('docker-archive', () => {
  test('of before manifest.json: the chain of parents, named by its IDs', async () => {
    const path = archive(oldMembers());
    expect(await factsOf(`docker-archive:${path}`)).toMatchObject({
      generation: 'old',
      manifestHash: TOP_ID,
      imageId: TOP_ID,
      parentImageId: BASE_ID,
      reference: { host: undefined, repository: 'team/app', tag: 'v1', typed: undefined },
    });
    expect(await namesOf(`docker-archive:${path}`)).toEqual(['base', 'top']);
  });

  test('with both: the IDs of the old, the layers of manifest.json, also where it has no name', async () => {
    const config = { name: CONFIG_NAME, content: CONFIG };
    const layers = [BASE_ID, TOP_ID].map((id) => `${id}/layer.tar`);
    for (const tags of [['quay.io/team/app:v1'], null]) {
      const path = archive([...oldMembers(), config, manifestJson(layers, tags)]);
      expect(await factsOf(path)).toMatchObject({
        generation: 'old',
        imageId: TOP_ID,
        reference:
          tags === null ? { repository: 'my-app', tag: 'latest' } : { repository: 'team/app', tag: 'v1' },
      });
      expect(await namesOf(path)).toEqual(['base', 'top']);
    }
  });

  test('without old IDs: known by its config', async () => {
    const path = archive(newMembers());
    expect(await factsOf(`docker-archive:${path}`)).toMatchObject({
      generation: 'new',
      manifestHash: `sha256:${sha256(CONFIG)}`,
      imageId: `sha256:${sha256(TOP)}`,
    });
    expect(await namesOf(path)).toEqual(['base', 'top']);
  });

  test('members that are links to members, symbolic and hard, of links, from the top and from beside', async () => {
    const layers = [`${BASE_ID}/layer.tar`, 'hard.tar'];
    const path = archive([
      ...newMembers().slice(0, 3),
      link(`${BASE_ID}/layer.tar`, '../first.tar'),
      link('first.tar', '/./base.tar'),
      link('hard.tar', 'top.tar', '1'),
      manifestJson(layers),
    ]);
    expect(await namesOf(path)).toEqual(['base', 'top']);
  });

  test.each([
    ['a link out of the archive', '../../../../../../etc/passwd'],
    ['a link from the root', '/etc/passwd'],
    ['a link to itself', 'x.tar'],
  ])('%s leads to nothing', async (_, target) => {
    const path = archive([
      ...newMembers().slice(0, 3),
      link('x.tar', target),
      manifestJson(['x.tar', 'top.tar']),
    ]);
    await expect(treeOf(path)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringMatching(/has no member x\.tar|never ends/),
    });
  });

  test('several images: chosen by name or tag, else they are listed', async () => {
    const two = [
      {
        Config: CONFIG_NAME,
        RepoTags: ['quay.io/team/app:v1', 'redis:latest'],
        Layers: ['base.tar', 'top.tar'],
      },
      { Config: CONFIG_NAME, RepoTags: ['team/other:v2'], Layers: ['base.tar'] },
    ];
    const path = archive([...newMembers().slice(0, 3), json('manifest.json', two)]);
    await expect(factsOf(path)).rejects.toThrow('quay.io/team/app:v1, redis:latest, team/other:v2');
    await expect(factsOf(`docker-archive:${path}:none`)).rejects.toThrow('no image none');
    const repository = async (ref: string) =>
      (await factsOf(`docker-archive:${path}:${ref}`)).reference.repository;
    expect(await repository('v2')).toBe('team/other');
    expect(await repository('quay.io/team/app:v1')).toBe('team/app');
    expect(await repository('docker.io/library/redis')).toBe('library/redis');
  });

  test('another platform than the one that is asked for', async () => {
    const path = archive(newMembers());
    const open = (platform: string) => using(path, async ({ generation }) => generation, platform);
    expect(await open('linux/amd64')).toBe('new');
    await expect(open('linux/arm64')).rejects.toThrow('no image for linux/arm64, there is linux/amd64');
  });

  const replaced = (name: string, ...by: TarMember[]) => [
    ...newMembers().filter((member) => member.name !== name),
    ...by,
  ];
  test.each<[string, TarMember[], string]>([
    ['a layer is missing', replaced('base.tar'), 'has no member base.tar'],
    ['the config is missing', replaced(CONFIG_NAME), `has no member ${CONFIG_NAME}`],
    ['the config is another', replaced(CONFIG_NAME, { name: CONFIG_NAME, content: '{}' }), 'has the digest'],
    [
      'a layer is another',
      replaced('base.tar', { name: 'base.tar', content: TOP }),
      'uncompressed, expected',
    ],
    [
      'manifest.json is none',
      replaced('manifest.json', { name: 'manifest.json', content: '{' }),
      'manifest.json',
    ],
    ['manifest.json is empty', replaced('manifest.json', json('manifest.json', [])), 'has no images'],
    ['a layer is its own parent', oldMembers(TOP_ID), 'its own parent'],
    ['a parent is missing', oldMembers('c'.repeat(64)), `has no member ${'c'.repeat(64)}/json`],
    ['a parent is a path', oldMembers('../../etc'), 'expected an ID'],
    ['it is an archive of something else', [{ name: 'file', content: 'x' }], 'an archive of something else'],
  ])('it is refused when %s', async (_, members, message) => {
    const failed = expect(treeOf(archive(members))).rejects;
    await failed.toMatchObject({ code: 'IMAGE_INVALID', message: expect.stringContaining(message) });
    expect(readdirSync(folder).sort()).toEqual(['My App.v1.tar', 'scratch']);
  });

  test.each([700, 1100])('it is refused when it ends after %d bytes', async (bytes) => {
    const path = archive(newMembers(), (tar) => tar.subarray(0, bytes));
    await expect(treeOf(path)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining('cut short'),
    });
  });
});

test('an archive with gzip is unpacked out of sight', async () => {
  const path = archive(newMembers(), (tar) => gzipSync(tar));
  await using(`docker-archive:${path}`, async () => expect(readdirSync(scratch)).toEqual([]));
  expect(await namesOf(path)).toEqual(['base', 'top']);
  writeFileSync(path, readFileSync(path).subarray(0, 200));
  await expect(treeOf(path)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
});

test('a path alone is told by its content', async () => {
  const layout = writeLayout(join(folder, 'layout'), { layers: [BASE, TOP] });
  expect(await namesOf(layout)).toEqual(['base', 'top']);
  writeFileSync(join(folder, 'text'), 'no tar');
  await expect(factsOf(join(folder, 'text'))).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  await expect(factsOf(`oci-archive:${join(folder, 'none')}`)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

describeWith(['skopeo'], 'archives of skopeo', () => {
  test('the same image has the same tree from a layout, an archive of it, and a docker-archive', async () => {
    const layers = [
      gzipSync(buildTar([{ name: 'd', type: '5' }, { name: 'd/base', content: 'b' }, { name: 'gone' }])),
      gzipSync(buildTar([{ name: 'd/top', content: 't'.repeat(70_000) }, { name: '.wh.gone' }])),
    ];
    const diffIds = layers.map(
      (layer) => `sha256:${sha256(spawnSync('gzip', ['-dc'], { input: layer }).stdout)}`,
    );
    const config = { config: { Cmd: ['/d/top'] }, rootfs: { type: 'layers', diff_ids: diffIds } };
    const descriptor = { annotations: { 'org.opencontainers.image.ref.name': 'v1' } };
    writeLayout(join(folder, 'layout'), { layers, config, descriptor });
    const from = `oci:${join(folder, 'layout')}:v1`;
    const targets = [
      `oci-archive:${join(folder, 'oci.tar')}:v1`,
      `docker-archive:${join(folder, 'docker.tar')}:quay.io/team/app:v1`,
    ];
    for (const target of targets) {
      const ended = spawnSync('skopeo', ['copy', '--insecure-policy', from, target], { encoding: 'utf8' });
      expect({ status: ended.status, error: ended.stderr }).toMatchObject({ status: 0 });
    }
    const expected = (await treeOf(from)).files;
    expect([...expected.keys()]).toContain('d/top');
    for (const text of [...targets, join(folder, 'oci.tar'), join(folder, 'docker.tar')]) {
      expect((await treeOf(text)).files).toEqual(expected);
    }
  });
});
