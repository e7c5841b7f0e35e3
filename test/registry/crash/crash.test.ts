/** A process that dies: at each single call to the disk of each kind of work, and what the next process finds. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as real from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, jest, test } from '@jest/globals';
import { type Digest, digestOf } from '../../../server/oci/digest.js';
import { blobsOf } from '../../../server/oci/manifest.js';
import { parseReference, parseRepositoryName, parseTag } from '../../../server/oci/reference.js';
import type { Registry } from '../../../server/registry/open-registry.js';
import { imageOf, OCI_IMAGE, type TestImage } from '../../fixtures/registry-client.js';
import { CrashingDisk, notDurable } from './crashing-disk.js';

const disk = new CrashingDisk(real);
jest.unstable_mockModule('node:fs/promises', () => disk.module);
const { openRegistry } = await import('../../../server/registry/open-registry.js');
const { collectGarbage } = await import('../../../server/registry/gc/collect.js');
const { scrub } = await import('../../../server/registry/scrub/scrub.js');

/** What is written is marked with a process that has ended. */
const LIVING = process.pid;
const DEAD = spawnSync('true').pid;
/** In memory, where there is one: thousands of files are written, and nothing here depends on the disk. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const FOLDER = await real.mkdtemp(join(MEMORY, 'bootdepot-crash-'));
const NAME = parseRepositoryName('team/app');
const OTHER = parseRepositoryName('team/other');
const OLD = imageOf(['a layer']);
const NEW = imageOf(['a newer layer'], { annotations: { n: '2' } });
const SIGNATURE = imageOf(['a signature'], {
  subject: { mediaType: OCI_IMAGE, digest: OLD.digest, size: OLD.manifest.length },
});

let dir = FOLDER;
let runs = 0;
afterEach(() => {
  actAs(LIVING);
  jest.restoreAllMocks();
});
afterAll(() => real.rm(FOLDER, { recursive: true }));

function actAs(pid: number): void {
  Object.defineProperty(process, 'pid', { value: pid, configurable: true });
}

const v2 = () => join(dir, 'docker/registry/v2');
const sha256 = (bytes: Buffer): Digest =>
  digestOf('sha256', createHash('sha256').update(bytes).digest('hex'));

function open(): Promise<Registry> {
  return openRegistry({ dir, freeSpace: 0, onDamage: () => undefined });
}

async function* bodyOf(...parts: Buffer[]) {
  yield* parts;
}

/** What clients were told, by a server that lives; each is true until somebody begins to change it. */
class Told {
  readonly #facts = new Map<string, (registry: Registry) => Promise<void>>();

  /** From now until {@link is} nobody knows. */
  changing(name: string): void {
    if (!disk.isDead) this.#facts.delete(name);
  }

  is(name: string, fact: (registry: Registry) => Promise<void>): void {
    if (!disk.isDead) this.#facts.set(name, fact);
  }

  async expect(registry: Registry): Promise<void> {
    for (const fact of this.#facts.values()) await fact(registry);
  }
}

async function expectBlob(registry: Registry, bytes: Buffer): Promise<void> {
  const found = await registry.blobs.find(NAME, sha256(bytes));
  if (found === undefined || !bytes.equals(await real.readFile(found.path)))
    throw new Error('a blob is lost');
}

async function expectManifest(registry: Registry, reference: string, { manifest }: TestImage): Promise<void> {
  const found = await registry.manifests.find(NAME, parseReference(reference));
  if (found === undefined || !manifest.equals(found.bytes)) throw new Error(`${reference} is lost`);
}

async function expectNoManifest(registry: Registry, reference: string): Promise<void> {
  expect(await registry.manifests.find(NAME, parseReference(reference))).toBeUndefined();
}

async function pushBlob(registry: Registry, bytes: Buffer, told: Told): Promise<void> {
  const { id } = await registry.uploads.begin(NAME);
  const half = bytes.length >> 1;
  await registry.uploads.append(NAME, id, { body: bodyOf(bytes.subarray(0, half)) });
  told.is(`upload ${id}`, async (later) => {
    expect((await later.uploads.state(NAME, id)).offset).toBeGreaterThanOrEqual(half);
    await finish(later, id, bytes);
    await expectBlob(later, bytes);
  });
  const body = bodyOf(bytes.subarray(half));
  const digest = sha256(bytes);
  told.changing(`upload ${id}`);
  await registry.uploads.finish(NAME, id, digest, { body, start: half });
  told.is(`blob ${digest}`, (later) => expectBlob(later, bytes));
}

async function finish(registry: Registry, id: string, bytes: Buffer): Promise<void> {
  const { offset } = await registry.uploads.state(NAME, id);
  await registry.uploads.finish(NAME, id, sha256(bytes), { body: bodyOf(bytes.subarray(offset)) });
}

async function putManifest(registry: Registry, tag: string, image: TestImage, told: Told): Promise<void> {
  const reference = parseReference(tag);
  told.changing(`tag ${tag}`);
  await registry.manifests.put(NAME, reference, { bytes: image.manifest, contentType: OCI_IMAGE, tags: [] });
  told.is(`tag ${tag}`, (later) => expectManifest(later, tag, image));
  told.is(`manifest ${image.digest}`, (later) => expectManifest(later, image.digest, image));
}

async function push(registry: Registry, tag: string, image: TestImage, told: Told): Promise<void> {
  for (const blob of image.blobs) await pushBlob(registry, blob, told);
  await putManifest(registry, tag, image, told);
}

async function removeManifest(registry: Registry, image: TestImage, tag: string, told: Told): Promise<void> {
  told.changing(`tag ${tag}`);
  told.changing(`manifest ${image.digest}`);
  await registry.manifests.remove(NAME, sha256(image.manifest));
  told.is(`tag ${tag}`, (later) => expectNoManifest(later, tag));
  told.is(`manifest ${image.digest}`, (later) => expectNoManifest(later, image.digest));
}

async function untag(registry: Registry, tag: string, told: Told): Promise<void> {
  told.changing(`tag ${tag}`);
  await registry.tags.remove(NAME, parseTag(tag));
  told.is(`tag ${tag}`, (later) => expectNoManifest(later, tag));
}

async function collect(registry: Registry): Promise<void> {
  // The shortest grace there is: the times of files go in steps.
  await sleep(30);
  await collectGarbage(registry, { graceMs: 0, uploadsMs: 3_600_000, untagged: 'remove', dryRun: false });
}

async function writeWrong(path: string): Promise<void> {
  await real.writeFile(path, 'wrong');
}

/** One kind of work: what is there before, and the work itself. */
interface Work {
  readonly name: string;
  readonly before?: (registry: Registry, told: Told) => Promise<void>;
  readonly work: (registry: Registry, told: Told) => Promise<void>;
  /** Images have parts missing until the work is done. */
  readonly damaged?: boolean;
}

const WORKS: readonly Work[] = [
  { name: 'the first push', work: (registry, told) => push(registry, 'v1', OLD, told) },
  {
    name: 'a push that moves a tag',
    before: (registry, told) => push(registry, 'v1', OLD, told),
    work: (registry, told) => push(registry, 'v1', NEW, told),
  },
  {
    name: 'a push of what is there',
    before: (registry, told) => push(registry, 'v1', OLD, told),
    work: (registry, told) => push(registry, 'v1', OLD, told),
  },
  {
    name: 'a push of a referrer',
    before: (registry, told) => push(registry, 'v1', OLD, told),
    async work(registry, told) {
      await push(registry, 'signature', SIGNATURE, told);
      told.is('referrer', async (later) => {
        const found: string[] = [];
        for await (const { digest } of later.referrers.list(NAME, sha256(OLD.manifest))) found.push(digest);
        expect(found).toEqual([SIGNATURE.digest]);
      });
    },
  },
  {
    name: 'a mount',
    before: (registry, told) => push(registry, 'v1', OLD, told),
    async work(registry, told) {
      const [layer] = OLD.blobs;
      const digest = sha256(layer ?? Buffer.of());
      expect(await registry.blobs.mount(OTHER, digest, NAME)).toBe(true);
      told.is('mounted', async (later) => expect(await later.blobs.find(OTHER, digest)).toBeDefined());
    },
  },
  {
    name: 'a cancelled upload',
    async work(registry) {
      const { id } = await registry.uploads.begin(NAME);
      await registry.uploads.append(NAME, id, { body: bodyOf(Buffer.from('some bytes')) });
      await registry.uploads.cancel(NAME, id);
    },
  },
  {
    name: 'a removal of a tag, of a manifest with its tag, and of a blob',
    async before(registry, told) {
      await push(registry, 'v1', OLD, told);
      await push(registry, 'signature', SIGNATURE, told);
      await push(registry, 'v2', NEW, told);
    },
    async work(registry, told) {
      await untag(registry, 'v2', told);
      await removeManifest(registry, SIGNATURE, 'signature', told);
      await removeManifest(registry, OLD, 'v1', told);
      const digest = sha256(Buffer.from('a layer'));
      told.changing(`blob ${digest}`);
      await registry.blobs.remove(NAME, digest);
      told.is(`blob ${digest}`, async (later) => {
        expect(await later.blobs.find(NAME, digest)).toBeUndefined();
      });
    },
  },
  {
    name: 'a garbage collection',
    async before(registry, told) {
      await push(registry, 'v1', OLD, told);
      const gone = new Told();
      await push(registry, 'v2', NEW, gone);
      await untag(registry, 'v2', told);
    },
    work: collect,
  },
  {
    name: 'a scrub that mends',
    damaged: true,
    async before(registry, told) {
      await push(registry, 'v1', OLD, told);
      const spoilt = new Told();
      await push(registry, 'v2', NEW, spoilt);
      const { layout } = registry;
      await writeWrong(layout.data(sha256(Buffer.from('a newer layer'))));
      const [config, layer] = OLD.blobs.map(sha256);
      if (config === undefined || layer === undefined) throw new Error('no blobs');
      await real.writeFile(layout.layerLink(NAME, config), '');
      await real.rm(layout.layerLink(NAME, layer));
      for (const digest of [config, layer]) told.changing(`blob ${digest}`);
    },
    async work(registry, told) {
      await scrub(registry, { repair: true, speed: 0, maySparse: () => false });
      for (const blob of OLD.blobs) {
        told.is(`blob ${sha256(blob)}`, (later) => expectBlob(later, blob));
      }
    },
  },
];

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await real.readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries.map((entry) => join(entry.parentPath, entry.name));
}

/** Nothing half done is to be seen by anybody. */
async function expectWhole(registry: Registry): Promise<void> {
  for (const name of ['stage', 'trash']) expect(await filesBelow(join(dir, '.bootdepot', name))).toEqual([]);
  expect((await filesBelow(v2())).filter((path) => path.includes('.bootdepot-'))).toEqual([]);
  for (const part of await registry.content.parts()) {
    for (const digest of await registry.content.digestsIn(part)) {
      const found = await registry.content.find(digest);
      if (found !== undefined) expect(sha256(await real.readFile(found.path))).toBe(digest);
    }
  }
}

/** What has a tag has all its parts. */
async function expectImagesWhole(registry: Registry): Promise<void> {
  for (const tag of (await registry.tags.list(NAME)) ?? []) {
    const found = await registry.manifests.find(NAME, parseReference(tag));
    if (found === undefined) throw new Error(`${tag} has no manifest`);
    for (const { digest } of blobsOf(found.manifest)) {
      const blob = await registry.blobs.find(NAME, digest);
      if (blob === undefined) throw new Error(`${tag} lacks ${digest}`);
    }
  }
}

async function dieAt(point: number, { before, work, damaged }: Work): Promise<'died' | 'done'> {
  runs += 1;
  dir = join(FOLDER, String(runs));
  const told = new Told();
  actAs(DEAD);
  const first = await open();
  await before?.(first, told);
  const outcome = await disk.start(point, () => work(first, told));
  const calls = [...disk.calls];
  // A lock whose holder was killed counts for half a minute.
  const later = Date.now() + 31_000;
  jest.spyOn(Date, 'now').mockImplementation(() => later);
  actAs(LIVING);
  const second = await open();
  if (outcome === 'done') expect(notDurable(calls, v2())).toEqual([]);
  if (damaged !== true) {
    await expectWhole(second);
    await expectImagesWhole(second);
  }
  await told.expect(second);
  await work(second, told).catch((error: unknown) => {
    // What was removed before the end is not there to be removed again.
    if (!/has no such/.test(String(error))) throw error;
  });
  await told.expect(second);
  await expectWhole(second);
  jest.restoreAllMocks();
  await real.rm(dir, { recursive: true });
  return outcome;
}

/** The same registry goes on when there is room again. */
async function fillAt(point: number, { before, work }: Work): Promise<'full' | 'done'> {
  runs += 1;
  dir = join(FOLDER, String(runs));
  const told = new Told();
  const registry = await open();
  await before?.(registry, told);
  let outcome: 'full' | 'done' = 'done';
  await disk.fill(point, async () => {
    try {
      await work(registry, told);
    } catch (error) {
      expect(error).toMatchObject({ code: 'DISK_FULL' });
      outcome = 'full';
    }
  });
  await expectWhole(registry);
  await expectImagesWhole(registry);
  await told.expect(registry);
  await work(registry, told);
  await told.expect(registry);
  await expectWhole(registry);
  await real.rm(dir, { recursive: true });
  return outcome;
}

describe('a disk that becomes full at any call shows nothing by half, and everything goes on when there is room again', () => {
  test.each(WORKS.filter(({ name }) => /push|mount|upload/.test(name)))(
    'in $name',
    async (work) => {
      let point = 0;
      try {
        while ((await fillAt(point, work)) === 'full') point += 1;
      } catch (error) {
        throw new Error(`at point ${point}: ${String(error)}`, { cause: error });
      }
      expect(point).toBeGreaterThan(5);
    },
    120_000,
  );
});

test.each(WORKS.filter(({ name }) => /removal|collection/.test(name)))(
  '$name needs no room',
  async (each) => {
    expect(await fillAt(0, { ...each, work: oneTime(each.work) })).toBe('done');
  },
);

/** What was removed cannot be removed again. */
function oneTime(work: Work['work']): Work['work'] {
  let done = false;
  return async (registry, told) => {
    if (!done) await work(registry, told);
    done = true;
  };
}

describe('a process that dies at any call to the disk loses nothing that was acknowledged, and shows nothing else', () => {
  test.each(WORKS)(
    'in $name',
    async (work) => {
      let point = 0;
      try {
        while ((await dieAt(point, work)) === 'died') point += 1;
      } catch (error) {
        const calls = disk.calls.slice(-3).map(({ kind, path, to }) => `${kind} ${path} ${to ?? ''}`);
        throw new Error(`at point ${point}, after ${calls.join(', ')}: ${String(error)}`, { cause: error });
      }
      expect(point).toBeGreaterThan(5);
    },
    120_000,
  );
});
