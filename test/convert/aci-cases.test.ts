/**
 * Images with everything that is legal and nasty, beside what docker2aci 0.17.2 made of them; where that is wrong or it
 * failed, beside the tree that the OCI image specification demands.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseImageReference } from '../../server/convert/reference.js';
import { convertImage, type ImageReference, openSource, validateAci } from '../../server/index.js';
import { describeWith, hasProgram } from '../clients/programs.js';
import { type AciTree, readAciTree, type TreeFile } from '../fixtures/aci-tree.js';
import { expectUnpacks } from '../fixtures/unpacked-aci.js';

const CASES = 'test/fixtures/aci-cases';

interface Case {
  readonly name: string;
  readonly target: string;
  readonly known_defect: string | null;
  readonly result: string;
}

/** An entry as the recordings have it: texts in UTF-8 with surrogates for other bytes, values of xattrs in hex. */
interface Recorded {
  readonly type: 'f' | 'd' | 's' | 'h' | 'c' | 'b' | 'p';
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly link: string;
  readonly sha: string;
  readonly mtime: number;
  readonly dev: string;
  readonly xattrs: Readonly<Record<string, string>>;
  readonly implicit?: boolean;
}

const cases: readonly Case[] = readdirSync(CASES)
  .filter((name) => existsSync(join(CASES, name, 'case.json')))
  .map((name) => JSON.parse(readFileSync(join(CASES, name, 'case.json'), 'utf8')));
const good = cases.filter(({ name }) => name !== 'trav');

let folder: string;
const fileOf = (name: string): string => join(folder, `${name}.aci`);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-cases-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function convertCase({ name, target }: Case): Promise<void> {
  const archive = join(CASES, name, `${name}.tar`);
  if (existsSync(archive)) return convertTo(name, `docker-archive:${archive}`, undefined);
  const typed = target.startsWith('docker://') ? target.slice('docker://'.length) : undefined;
  const reference = {
    ...parseImageReference(typed ?? `lab/${name}:v1`),
    ...(typed === undefined && { host: undefined, typed: undefined }),
  };
  return convertTo(name, `oci:${join(CASES, name, 'oci')}`, reference);
}

async function convertTo(name: string, text: string, reference: ImageReference | undefined): Promise<void> {
  const source = await openSource(text, { platform: undefined, reference });
  await convertImage(source, { path: fileOf(name) }).finally(() => source.close());
}

describe.each(good)('$name', (one) => {
  let tree: AciTree;
  beforeAll(async () => {
    await convertCase(one);
    tree = readAciTree(fileOf(one.name));
  });

  test('has the files that it should have', () => {
    const isOracle = one.known_defect !== null || one.result !== 'ok';
    const recorded = readRecorded(one.name, isOracle ? 'oracle.json' : 'entries.json');
    const expected = expectedFiles(recorded);
    const implied = new Set(recorded.filter(({ implicit }) => implicit).map(({ path }) => bytes(path)));
    const found = new Map(
      [...tree.files]
        .filter(([path]) => path !== '' && (expected.has(path) || !isParent(path, expected)))
        .map(([path, file]) => [path, comparable(file, implied.has(`rootfs/${path}`))]),
    );
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  });

  test('keeps the rules of appc, is unpacked by GNU tar to the same, and comes out the same again', async () => {
    expect(await validateAci(fileOf(one.name))).toMatchObject({ problems: [], warnings: [] });
    if (hasProgram('tar')) expectUnpacks(fileOf(one.name), tree.files);
    const first = readFileSync(fileOf(one.name));
    await convertCase(one);
    expect(readFileSync(fileOf(one.name)).equals(first)).toBe(true);
  });
});

/** Of the others docker2aci made nothing. */
const recordedManifests = good.filter(({ name }) => existsSync(join(CASES, name, 'manifest.raw.json')));

test.each(recordedManifests)('$name has the manifest that docker2aci makes', async (one) => {
  await convertCase(one);
  const recorded = JSON.parse(readFileSync(join(CASES, one.name, 'manifest.raw.json'), 'utf8'));
  const { manifest } = readAciTree(fileOf(one.name));
  expect(orderless(JSON.parse(manifest))).toEqual(orderless({ ...recorded, acVersion: '0.8.11' }));
});

describeWith(['python3'], 'the comparison that was written for docker2aci', () => {
  test.each(good)('finds no difference in $name', async (one) => {
    await convertCase(one);
    const oracle = existsSync(join(CASES, one.name, 'entries.json')) ? [] : ['--oracle'];
    const script = [join(CASES, 'compare.py'), join(CASES, one.name), fileOf(one.name)];
    const options = ['--auto', '--mtime', '--strict-annotations', ...oracle];
    const { status, stdout } = spawnSync('python3', ['-B', ...script, ...options], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^EQUAL/) });
  });
});

test('trav, where docker2aci never ends, is refused', async () => {
  const trav = cases.filter(({ name }) => name === 'trav');
  expect(trav).toHaveLength(1);
  for (const one of trav) {
    await expect(convertCase(one)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining('../evil leads above the root'),
    });
  }
  expect(existsSync(fileOf('trav'))).toBe(false);
});

function readRecorded(name: string, file: string): readonly Recorded[] {
  return JSON.parse(readFileSync(join(CASES, name, file), 'utf8'));
}

const TYPES = {
  f: 'file',
  d: 'directory',
  s: 'symlink',
  c: 'character-device',
  b: 'block-device',
  p: 'fifo',
} as const;

type Comparable = Omit<TreeFile, 'uname' | 'gname' | 'mtime'> & { readonly seconds: number };

function expectedFiles(recorded: readonly Recorded[]): Map<string, Comparable> {
  const own = new Map(recorded.map((entry) => [bytes(entry.path), entry]));
  const groups = new Map<Recorded, string[]>();
  const found = [...own.keys()].filter((path) => path.startsWith('rootfs/'));
  for (const path of found) {
    const inode = inodeOf(own, path);
    groups.set(inode, [...(groups.get(inode) ?? []), path.slice('rootfs/'.length)].sort());
  }
  return new Map(
    found.map((path) => {
      const inode = inodeOf(own, path);
      return [path.slice('rootfs/'.length), fromRecorded(inode, groups.get(inode) ?? [])];
    }),
  );
}

function inodeOf(own: ReadonlyMap<string, Recorded>, path: string): Recorded {
  const entry = own.get(path);
  if (entry === undefined) throw new Error(`${path} is not recorded`);
  return entry.type === 'h' ? inodeOf(own, bytes(entry.link)) : entry;
}

function fromRecorded(entry: Recorded, names: readonly string[]): Comparable {
  const type = entry.type === 'h' ? 'file' : TYPES[entry.type];
  const xattrs = Object.entries(entry.xattrs).map(([key, hex]) => [
    key,
    Buffer.from(hex, 'hex').toString('latin1'),
  ]);
  return {
    type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    seconds: entry.implicit ? 0 : Math.floor(entry.mtime + 0.5),
    ...(type === 'file' && { content: entry.sha }),
    ...(type === 'symlink' && { target: bytes(entry.link) }),
    ...(type.endsWith('device') && { device: entry.dev }),
    xattrs: Object.fromEntries(xattrs.sort()),
    names,
  };
}

/** docker2aci rounds times to seconds, half a second up. */
function comparable({ uname: _, gname: __, mtime, ...file }: TreeFile, isImplied: boolean): Comparable {
  const [seconds, nanoseconds] = mtime.split('+').map(Number);
  const rounded = Math.floor((seconds ?? 0) + (nanoseconds ?? 0) / 1e9 + 0.5);
  return { ...file, seconds: isImplied ? 0 : rounded };
}

function isParent(path: string, all: ReadonlyMap<string, unknown>): boolean {
  return [...all.keys()].some((other) => other.startsWith(`${path}/`));
}

/** Python's text with a surrogate for each byte that is not UTF-8, as bytes in Latin-1. */
function bytes(text: string): string {
  const parts = [...text].map((character) => {
    const code = character.codePointAt(0) ?? 0;
    return code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(character);
  });
  return Buffer.concat(parts).toString('latin1');
}

interface Listed {
  readonly labels: readonly { readonly name: string }[];
  readonly annotations: readonly { readonly name: string }[];
}

/** The order of these lists means nothing. */
function orderless(manifest: Listed): Listed {
  const byName = (list: readonly { readonly name: string }[]) =>
    list.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  return { ...manifest, labels: byName(manifest.labels), annotations: byName(manifest.annotations) };
}
