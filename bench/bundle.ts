/**
 * A bundle of large blobs written and loaded, beside `cp` of the same bytes. In turns, whole processes from start to end, each copy
 * synced as a bundle is. The disk has to hold the bytes four times.
 *
 *     npm run build && npx tsx bench/bundle.ts [GIB] [ROUNDS]
 *
 * Needs Linux and GNU time.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openRegistry } from '../server/index.js';
import { parseDigest } from '../server/oci/digest.js';
import { parseRepositoryName, parseTag } from '../server/oci/reference.js';
import { type Bar, digits, formatSpread, printBars, printTable, spreadOf } from './report.js';

const GIB = 1024 ** 3;
const BYTES = Number(process.argv[2] ?? 2) * GIB;
const ROUNDS = Number(process.argv[3] ?? 3);
const LAYERS = 4;
const PROGRAM = resolve('dist/scripts/bootdepot.js');

/** How a process went. */
interface Run {
  readonly seconds: number;
  /** Most memory it had at any time, megabytes. */
  readonly rssMb: number;
}

async function measure(dir: string, command: readonly string[]): Promise<Run> {
  const memory = join(dir, 'memory');
  const start = performance.now();
  const { status, stderr } = spawnSync('/usr/bin/time', ['-f', '%M', '-o', memory, ...command], { cwd: dir });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`);
  return { seconds, rssMb: (Number(await readFile(memory, 'utf8')) * 1024) / 1e6 };
}

function bootdepot(...args: readonly string[]): readonly string[] {
  return [process.execPath, PROGRAM, ...args];
}

/** A depot with one image of layers of zeros, each a little longer than the one before. */
async function prepare(): Promise<string> {
  const dir = await mkdtemp('/tmp/bootdepot-bench-');
  await measure(dir, bootdepot('key', 'create', '--name', 'Bench', '--email', 'bench@example.com'));
  await mkdir(join(dir, 'assets'));
  const registry = await openRegistry({
    dir: join(dir, 'data/registry'),
    freeSpace: 0,
    onDamage: () => undefined,
  });
  const name = parseRepositoryName('bench');
  const push = async (blob: AsyncIterable<Uint8Array>, digest: string, bytes: number) => {
    const { id } = await registry.uploads.begin(name);
    await registry.uploads.finish(name, id, parseDigest(digest), { body: blob });
    return { mediaType: 'application/octet-stream', digest, size: bytes };
  };
  const layers = [];
  for (let layer = 0; layer < LAYERS; layer += 1) {
    const size = Math.floor(BYTES / LAYERS) + layer;
    layers.push(await push(zeros(size), await digestOfZeros(size), size));
  }
  const text = Buffer.from('{}');
  const config = await push(
    once(text),
    `sha256:${createHash('sha256').update(text).digest('hex')}`,
    text.length,
  );
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers }));
  await registry.manifests.put(name, { tag: parseTag('v1') }, { bytes, contentType: undefined, tags: [] });
  return dir;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* zeros(size: number): AsyncGenerator<Uint8Array> {
  for (let left = size; left > 0; left -= 1024 * 1024) yield Buffer.alloc(Math.min(left, 1024 * 1024));
}

async function digestOfZeros(size: number): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of zeros(size)) hash.update(piece);
  return `sha256:${hash.digest('hex')}`;
}

async function fresh(dir: string, name: string): Promise<string> {
  await rm(join(dir, name), { recursive: true, force: true });
  return name;
}

const dir = await prepare();
try {
  const copy = ['sh', '-c', 'cp --sparse=never site.tar copy.tar && sync copy.tar'];
  const runs: Record<'cp' | 'create' | 'load', Run[]> = { cp: [], create: [], load: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    await fresh(dir, 'site.tar');
    runs.create.push(await measure(dir, bootdepot('bundle', 'create', 'site.tar', '--all')));
    await fresh(dir, 'copy.tar');
    runs.cp.push(await measure(dir, copy));
    await fresh(dir, 'copy.tar');
    const to = await fresh(dir, 'site');
    const folders = ['--data', `${to}/data`, '--assets', `${to}/assets`, '--keys', `${to}/keys`];
    runs.load.push(
      await measure(dir, bootdepot('bundle', 'load', 'site.tar', '--trust', 'keys', ...folders)),
    );
  }
  const { size } = await stat(join(dir, 'site.tar'));
  const rows = Object.entries(runs).map(([name, all]) => [
    name,
    formatSpread(spreadOf(all.map(({ seconds }) => size / 1e6 / seconds))),
    digits(Math.max(...all.map(({ rssMb }) => rssMb))),
  ]);
  printTable(`${digits(size / GIB)} GiB, ${ROUNDS} rounds: least / median / most`, [
    ['', 'MB/s', 'RSS MB'],
    ...rows,
  ]);
  const median = (all: readonly Run[]) => spreadOf(all.map(({ seconds }) => seconds)).median;
  const rss = (all: readonly Run[]) => Math.max(...all.map(({ rssMb }) => rssMb));
  const bars: Bar[] = [
    { name: 'create beside cp', value: median(runs.cp) / median(runs.create), goal: 0.5, wants: 'least' },
    { name: 'load beside cp', value: median(runs.cp) / median(runs.load), goal: 0.5, wants: 'least' },
    { name: 'create, RSS MB', value: rss(runs.create), goal: 200, wants: 'most' },
    { name: 'load, RSS MB', value: rss(runs.load), goal: 200, wants: 'most' },
  ];
  printBars(bars);
} finally {
  await rm(dir, { recursive: true, force: true });
}
