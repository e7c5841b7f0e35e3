/** One damaged file of each kind: no wrong byte goes out whole, nothing else suffers, and the next push mends it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openRegistry, scrubRegistry } from '../../../server/index.js';
import { describeWith } from '../../clients/programs.js';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { digestOf, imageOf, OCI_IMAGE, RegistryClient } from '../../fixtures/registry-client.js';
import { freePort } from '../../fixtures/running-depot.js';

let depot: LiveDepot;
let client: RegistryClient;
let neighbour: Subject;
beforeAll(async () => {
  depot = await startLiveDepot();
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
  neighbour = new Subject('neighbour');
  await neighbour.push();
});
afterAll(() => depot.remove());

const root = () => join(depot.folder, 'data/registry');
const below = (...names: string[]) => join(root(), 'docker/registry/v2', ...names);
const split = (digest: string) => digest.split(':') as [string, string];

function dataOf(digest: string): string {
  const [algorithm, hex] = split(digest);
  return below('blobs', algorithm, hex.slice(0, 2), hex, 'data');
}

/** An image, an image that speaks of it, and an upload under way, in a repository of their own. */
class Subject {
  readonly name: string;
  readonly image;
  readonly signature;
  upload = '';

  constructor(name: string) {
    this.name = name;
    this.image = imageOf([Buffer.alloc(700_000, `large ${name}`), `small ${name}`], {
      annotations: { name },
    });
    this.signature = imageOf([`signature ${name}`], {
      subject: { mediaType: OCI_IMAGE, digest: this.image.digest, size: this.image.manifest.length },
    });
  }

  async push(): Promise<void> {
    await client.push(this.name, 'v1', this.image);
    await client.push(this.name, 'signature', this.signature);
  }

  async begin(): Promise<void> {
    this.upload = await client.begin(this.name);
    await client.ask('PATCH', this.upload, '0123456789');
  }

  /** What can be read, with the bytes that are right. */
  get addresses(): [string, Buffer][] {
    const { image, signature } = this;
    return [
      ['manifests/v1', image.manifest],
      ['manifests/signature', signature.manifest],
      ...[image, signature].map((each): [string, Buffer] => [`manifests/${each.digest}`, each.manifest]),
      ...[...image.blobs, ...signature.blobs].map((blob): [string, Buffer] => [
        `blobs/${digestOf(blob)}`,
        blob,
      ]),
    ];
  }

  /** Reads it all. */
  async read(): Promise<string[]> {
    const told: string[] = [];
    for (const [address, bytes] of this.addresses) {
      told.push(`${address}: ${await outcomeOf(`${this.name}/${address}`, bytes)}`);
    }
    return told;
  }
}

async function outcomeOf(path: string, right: Buffer): Promise<string> {
  try {
    const answer = await client.get(path);
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (answer.status !== 200) return String(answer.status);
    return bytes.equals(right) ? 'right' : 'wrong';
  } catch {
    return 'cut';
  }
}

const all = (outcome: string, { addresses }: Subject) =>
  addresses.map(([address]) => `${address}: ${outcome}`);

const FILES: readonly [string, (subject: Subject) => string][] = [
  ['a large blob', ({ image }) => dataOf(digestOf(image.blobs[1] ?? ''))],
  ['a small blob', ({ image }) => dataOf(digestOf(image.blobs[2] ?? ''))],
  ['a manifest', ({ image }) => dataOf(image.digest)],
  ['a manifest that speaks of another', ({ signature }) => dataOf(signature.digest)],
  ['a link of a blob', ({ name, image }) => linkOf(name, '_layers', digestOf(image.blobs[2] ?? ''))],
  ['a link of a manifest', ({ name, image }) => linkOf(name, '_manifests/revisions', image.digest)],
  ['a tag', ({ name }) => below('repositories', name, '_manifests/tags/v1/current/link')],
  ['what a tag had', ({ name, image }) => linkOf(name, '_manifests/tags/v1/index', image.digest)],
];

function linkOf(name: string, folder: string, digest: string): string {
  return below('repositories', name, folder, ...split(digest), 'link');
}

const WAYS: readonly [string, (path: string) => Promise<void>][] = [
  ['with a byte flipped', flipByte],
  ['with its end cut off', async (path) => truncate(path, (await stat(path)).size >> 1)],
  ['emptied', (path) => truncate(path, 0)],
  ['lost', (path) => rm(path)],
  [
    'replaced by a folder',
    async (path) => {
      await rm(path);
      await mkdir(join(path, 'something'), { recursive: true });
    },
  ],
];

async function flipByte(path: string): Promise<void> {
  const { size } = await stat(path);
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, size >> 1);
  byte.writeUInt8(byte.readUInt8() ^ 1);
  await file.write(byte, 0, 1, size >> 1);
  await file.close();
}

const CASES = FILES.flatMap(([file, pathOf], index) =>
  WAYS.map(([way, damage], other) => ({ file, pathOf, way, damage, name: `damage/${index}-${other}` })),
);

describe('one file', () => {
  test.each(CASES)('$file $way', async ({ name, pathOf, damage }) => {
    const subject = new Subject(name);
    await subject.push();
    await damage(pathOf(subject));
    for (let times = 0; times < 2; times += 1) {
      for (const told of await subject.read()) expect(told).toMatch(/: (?:right|404|cut)$/);
    }
    // The second time it is known.
    expect(await subject.read()).not.toContainEqual(expect.stringContaining('cut'));
    expect((await client.get(`${name}/tags/list`)).status).toBe(200);
    expect((await client.get(`${name}/referrers/${subject.image.digest}`)).status).toBe(200);
    expect(await neighbour.read()).toEqual(all('right', neighbour));
    await subject.push();
    expect(await subject.read()).toEqual(all('right', subject));
  });

  test('a blob that was checked a moment ago, with other bytes in its place under the same times', async () => {
    const subject = new Subject('damage/in-place');
    await subject.push();
    expect(await subject.read()).toEqual(all('right', subject));
    const path = dataOf(digestOf(subject.image.blobs[1] ?? ''));
    const { atime, mtime } = await stat(path);
    await flipByte(path);
    await utimes(path, atime, mtime);
    expect((await subject.read()).filter((told) => !told.endsWith(': right'))).toEqual([
      `blobs/${digestOf(subject.image.blobs[1] ?? '')}: cut`,
    ]);
  });

  test.each(WAYS.filter(([way]) => way !== 'lost'))(
    'a note of a referrer %s: the list still says what the manifest says',
    async (way, damage) => {
      const subject = new Subject(`notes/${way.replaceAll(' ', '-')}`);
      await subject.push();
      const path = `${subject.name}/referrers/${subject.image.digest}`;
      const before = await (await client.get(path)).text();
      expect(before).toContain(subject.signature.digest);
      const folder = below('repositories', subject.name, '_referrers', ...split(subject.image.digest));
      await damage(join(folder, `${subject.signature.digest.replace(':', '-')}.json`));
      expect(await (await client.get(path)).text()).toBe(before);
      await subject.push();
      expect(await (await client.get(path)).text()).toBe(before);
    },
  );

  test('a link that names other bytes that are here', async () => {
    const subject = new Subject('damage/other');
    await subject.push();
    const [config = '', layer = ''] = subject.image.blobs.map((blob) => digestOf(blob));
    await writeFile(linkOf(subject.name, '_layers', layer), config);
    await writeFile(
      linkOf(subject.name, '_manifests/revisions', subject.image.digest),
      subject.signature.digest,
    );
    expect((await client.get(`${subject.name}/blobs/${layer}`)).status).toBe(404);
    expect((await client.get(`${subject.name}/manifests/v1`)).status).toBe(404);
    const mounted = await client.ask('POST', `other/blobs/uploads/?mount=${layer}&from=${subject.name}`);
    expect(mounted.status).toBe(202);
    await subject.push();
    expect(await subject.read()).toEqual(all('right', subject));
  });
});

describe('an upload', () => {
  test.each(WAYS)('whose bytes are %s never becomes a blob of wrong bytes', async (way, damage) => {
    const subject = new Subject(`uploads/${way.replaceAll(' ', '-')}`);
    await subject.begin();
    const folder = below('repositories', subject.name, '_uploads', subject.upload.split('/').at(-1) ?? '');
    await damage(join(folder, 'data'));
    const right = Buffer.from('0123456789abc');
    const answer = await client.ask('PUT', `${subject.upload}?digest=${digestOf(right)}`, 'abc', {
      'Content-Range': '10-12',
    });
    expect([400, 404, 416]).toContain(answer.status);
    expect((await client.get(`${subject.name}/blobs/${digestOf(right)}`)).status).toBe(404);
    expect((await client.pushBlob(subject.name, right)).status).toBe(201);
  });

  test('without the time at which it began goes on', async () => {
    const subject = new Subject('uploads/timeless');
    await subject.begin();
    const folder = below('repositories', subject.name, '_uploads', subject.upload.split('/').at(-1) ?? '');
    await rm(join(folder, 'startedat'));
    const answer = await client.ask('PUT', `${subject.upload}?digest=${digestOf('0123456789abc')}`, 'abc');
    expect(answer.status).toBe(201);
  });
});

describe('our own files', () => {
  test.each(['', 'nonsense', 'sha256/zz'])('a mark of a scrub that says %j is passed over', async (text) => {
    const subject = new Subject('own/scrub');
    await subject.push();
    await writeFile(join(root(), '.bootdepot/scrub'), text);
    const registry = await openRegistry({ dir: root(), freeSpace: 0, onDamage: () => undefined });
    const report = await scrubRegistry(registry, { repair: true, speed: 0, maySparse: () => false });
    expect(report.resumed).toBe(false);
    expect(report.contents).toBeGreaterThanOrEqual(subject.addresses.length - 2);
    expect(await subject.read()).toEqual(all('right', subject));
  });

  test('what was put aside is never served again, whatever becomes of it', async () => {
    const subject = new Subject('own/quarantine');
    await subject.push();
    const small = digestOf(subject.image.blobs[2] ?? '');
    await flipByte(dataOf(small));
    expect((await client.get(`${subject.name}/blobs/${small}`)).status).toBe(404);
    const aside = join(root(), '.bootdepot/quarantine');
    const [file = ''] = (await readdir(aside)).filter((name) => name.includes(split(small)[1]));
    await flipByte(join(aside, file));
    expect(digestOf(await readFile(join(aside, file)))).toBe(small);
    expect((await client.get(`${subject.name}/blobs/${small}`)).status).toBe(404);
  });

  test('a quarantine that cannot be written to: the damaged blob is not served all the same', async () => {
    const subject = new Subject('own/blocked');
    await subject.push();
    const aside = join(root(), '.bootdepot/quarantine');
    await rm(aside, { recursive: true, force: true });
    await writeFile(aside, 'in the way');
    await flipByte(dataOf(subject.image.digest));
    await flipByte(dataOf(digestOf(subject.image.blobs[2] ?? '')));
    for (let times = 0; times < 2; times += 1) {
      expect((await subject.read()).filter((told) => !told.endsWith(': right'))).toEqual([
        'manifests/v1: 404',
        `manifests/${subject.image.digest}: 404`,
        `blobs/${digestOf(subject.image.blobs[2] ?? '')}: 404`,
      ]);
    }
    await subject.push();
    expect(await subject.read()).toEqual(all('right', subject));
    await rm(aside);
  });
});

describeWith(['docker-registry'], 'what was damaged and pushed again', () => {
  let reference: ChildProcess | undefined;
  afterAll(() => void reference?.kill('SIGKILL'));

  test('is served by the reference registry', async () => {
    const subjects = CASES.filter((_, index) => index % (WAYS.length - 1) === 0).map((each) => {
      return { ...each, subject: new Subject(`reference/${each.name}`) };
    });
    for (const { subject, pathOf, damage } of subjects) {
      await subject.push();
      await damage(pathOf(subject));
      await subject.read();
      await subject.push();
    }
    const port = await freePort();
    const file = join(depot.folder, 'reference.yml');
    const storage = { filesystem: { rootdirectory: root() } };
    await writeFile(file, JSON.stringify({ version: 0.1, storage, http: { addr: `127.0.0.1:${port}` } }));
    reference = spawn('docker-registry', ['serve', file], { stdio: 'ignore' });
    const ours = client;
    client = new RegistryClient(`http://127.0.0.1:${port}`);
    try {
      for (let tries = 0; tries < 200; tries += 1) {
        if ((await client.get('').catch(() => undefined))?.ok) break;
        await new Promise((wake) => setTimeout(wake, 50));
      }
      for (const { subject } of subjects) {
        const byDigest = subject.addresses.filter(([address]) => !address.startsWith('manifests'));
        for (const [address, bytes] of byDigest) {
          expect(await outcomeOf(`${subject.name}/${address}`, bytes)).toBe('right');
        }
        const answer = await client.get(`${subject.name}/manifests/v1`, { Accept: OCI_IMAGE });
        expect(digestOf(Buffer.from(await answer.arrayBuffer()))).toBe(subject.image.digest);
      }
    } finally {
      client = ours;
    }
  });
});
