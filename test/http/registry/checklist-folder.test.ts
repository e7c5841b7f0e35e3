/** Folders as the reference registry leaves them, and the folder of tags under load, by the numbers of the checklist. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { codesOf, digestOf, imageOf, OCI_IMAGE, RegistryClient } from '../../fixtures/registry-client.js';

let depot: LiveDepot;
let client: RegistryClient;
beforeEach(async () => {
  depot = await startLiveDepot({ settings: { 'registry.delete': true } });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterEach(() => depot.remove());

const root = () => join(depot.folder, 'data/registry/docker/registry/v2');

async function write(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

const hexOf = (digest: string) => digest.slice(7);
const dataOf = (digest: string) =>
  join(root(), 'blobs', digest.slice(0, 6), hexOf(digest).slice(0, 2), hexOf(digest), 'data');
const layerOf = (name: string, digest: string) =>
  join(root(), 'repositories', name, '_layers', digest.slice(0, 6), hexOf(digest), 'link');

/** Writes a blob as the reference does that was pushed by SHA-512: bytes by SHA-256, and two links that say so. */
async function writeAliased(name: string, bytes: Buffer): Promise<{ sha256: string; sha512: string }> {
  const [sha256, sha512] = [digestOf(bytes), digestOf(bytes, 'sha512')];
  await write(dataOf(sha256), bytes);
  await write(layerOf(name, sha256), sha256);
  await write(layerOf(name, sha512), sha256);
  return { sha256, sha512 };
}

const bytesOf = async (path: string) => Buffer.from(await (await client.get(path)).arrayBuffer());

describe('checklist 16: a folder of the reference', () => {
  test('with SHA-512 names that link SHA-256: all is served, and gets its own name', async () => {
    const bytes = randomBytes(500_000);
    const { sha256, sha512 } = await writeAliased('theirs', bytes);
    const answers = await Promise.all([1, 2, 3, 4].map(() => client.get(`theirs/blobs/${sha512}`)));
    for (const answer of answers) {
      expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([200, sha512]);
      expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
    }
    expect((await bytesOf(`theirs/blobs/${sha256}`)).equals(bytes)).toBe(true);
    expect(await readFile(layerOf('theirs', sha512), 'latin1')).toBe(sha512);
    expect((await stat(dataOf(sha512))).ino).toBe((await stat(dataOf(sha256))).ino);
  });

  test('may be mounted and built on by such a name', async () => {
    const bytes = randomBytes(1000);
    const { sha512 } = await writeAliased('theirs', bytes);
    const mounted = await client.ask('POST', `ours/blobs/uploads/?mount=${sha512}&from=theirs`);
    expect(mounted.status).toBe(201);
    expect(await readFile(layerOf('ours', sha512), 'latin1')).toBe(sha512);
    expect((await bytesOf(`ours/blobs/${sha512}`)).equals(bytes)).toBe(true);
    const { sha512: layer } = await writeAliased('theirs', randomBytes(1000));
    const image = imageOf([], { layers: [{ mediaType: 'application/x.layer', digest: layer, size: 1000 }] });
    await client.push('theirs', 'v1', image);
    expect((await client.ask('HEAD', `theirs/blobs/${layer}`)).status).toBe(200);
  });

  test('whose SHA-512 name lies: it is unknown, and the bytes are still there by their right name', async () => {
    const bytes = randomBytes(1000);
    const { sha256 } = await writeAliased('theirs', bytes);
    const lie = digestOf('others', 'sha512');
    await write(layerOf('theirs', lie), sha256);
    expect(await codesOf(await client.get(`theirs/blobs/${lie}`))).toEqual(['BLOB_UNKNOWN']);
    expect((await bytesOf(`theirs/blobs/${sha256}`)).equals(bytes)).toBe(true);
  });

  test.each(['before', 'after'])(
    'damaged %s it was named: it goes out whole under neither name',
    async (when) => {
      const bytes = randomBytes(700_000);
      const { sha256, sha512 } = await writeAliased('theirs', bytes);
      if (when === 'after') await bytesOf(`theirs/blobs/${sha512}`);
      const file = await open(dataOf(sha256), 'r+');
      await file.write(Buffer.from([(bytes[600_000] ?? 0) ^ 1]), 0, 1, 600_000);
      await file.close();
      for (const digest of [sha512, sha256]) {
        const got = await bytesOf(`theirs/blobs/${digest}`).catch(() => undefined);
        expect(
          got === undefined ||
            digestOf(got, digest === sha512 ? 'sha512' : 'sha256') === digest ||
            got.length < 1000,
        ).toBe(true);
        expect((await client.ask('HEAD', `theirs/blobs/${digest}`)).status).toBe(404);
      }
      for (const digest of [sha512, sha256]) {
        expect((await client.pushBlob('theirs', bytes, digest)).status).toBe(201);
        expect((await bytesOf(`theirs/blobs/${digest}`)).equals(bytes)).toBe(true);
      }
    },
  );

  test('with an empty link: that one is not there, and the others are', async () => {
    const images = [imageOf(['one']), imageOf(['two'])];
    for (const [index, image] of images.entries()) await client.push('theirs', `v${index}`, image);
    const [broken = '', whole = ''] = ['one', 'two'].map((layer) => digestOf(layer));
    await writeFile(layerOf('theirs', broken), '');
    await writeFile(join(root(), 'repositories/theirs/_manifests/tags/v0/current/link'), '');
    expect((await client.get(`theirs/blobs/${broken}`)).status).toBe(404);
    expect((await client.get(`theirs/blobs/${whole}`)).status).toBe(200);
    expect((await client.get('theirs/manifests/v0')).status).toBe(404);
    expect((await client.get('theirs/manifests/v1')).status).toBe(200);
    expect((await client.get(`theirs/manifests/${images[0]?.digest}`)).status).toBe(200);
  });
});

test('checklist 17: whatever is in the folder of tags has a manifest, also while tags come and go', async () => {
  const image = imageOf(['seventeen']);
  await client.push('busy', 'stays', image);
  const folder = join(root(), 'repositories/busy/_manifests/tags');
  let done = false;
  const halves: string[] = [];
  const watch = async () => {
    let looks = 0;
    for (; !done; looks += 1) {
      for (const tag of await readdir(folder)) {
        if (existsSync(join(folder, tag, 'current/link'))) continue;
        // One that was deleted between the two looks is not half.
        if (existsSync(join(folder, tag))) halves.push(tag);
      }
      await new Promise((wake) => setImmediate(wake));
    }
    return looks;
  };
  const work = async (worker: number) => {
    for (let round = 0; round < 15; round += 1) {
      const tag = `t${worker}-${round}`;
      expect((await client.pushManifest('busy', tag, image.manifest, OCI_IMAGE)).status).toBe(201);
      if (round % 2 === 0) expect((await client.ask('DELETE', `busy/manifests/${tag}`)).status).toBe(202);
    }
  };
  const watching = watch();
  await Promise.all([1, 2, 3, 4].map(work));
  done = true;
  expect(await watching).toBeGreaterThan(0);
  expect(halves).toEqual([]);
});
