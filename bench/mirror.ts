/**
 * Mirrors: bootdepot beside skopeo, between two docker-registry servers, all on the same cores, in turns.
 *
 *     npm run build && npx tsx bench/mirror.ts [IMAGES] [MIB] [ROUNDS]
 *
 * IMAGES (30) share half of their layers and have MIB (2048) in all. Each round copies to an empty registry, then once more
 * with nothing to do. Needs Linux, docker-registry, skopeo and taskset.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ALL_CORES, type Peer } from './peers.js';
import { dockerRegistry, pushImage } from './registry-peers.js';
import { formatSpread, printTable, spreadOf } from './report.js';

const [IMAGES = 30, MIB = 2048, ROUNDS = 3] = process.argv.slice(2).map(Number);
const LAYERS_EACH = 4;
const BOOTDEPOT = fileURLToPath(new URL('../dist/scripts/bootdepot.js', import.meta.url));

/** Copies everything from one registry to another. */
interface Mirror {
  readonly name: string;
  command(from: Peer, to: Peer, scratch: string): Promise<readonly string[]>;
}

const names = Array.from({ length: IMAGES }, (_, index) => `image-${index}`);

const MIRRORS: readonly Mirror[] = [
  {
    name: 'bootdepot mirror',
    async command(from, to, scratch) {
      const list = join(scratch, 'list.txt');
      await writeFile(list, names.map((name) => `127.0.0.1:${from.port}/${name}:v1\n`).join(''));
      const place = ['--to', `docker://127.0.0.1:${to.port}`, '--data', join(scratch, 'data')];
      return [process.execPath, BOOTDEPOT, 'mirror', '--from', list, '--rename', 'basename', ...place];
    },
  },
  {
    name: 'skopeo sync --all',
    async command(from, to, scratch) {
      const list = join(scratch, 'list.yaml');
      const images = Object.fromEntries(names.map((name) => [name, ['v1']]));
      await writeFile(list, JSON.stringify({ [`127.0.0.1:${from.port}`]: { 'tls-verify': false, images } }));
      const place = ['--dest-tls-verify=false', list, `127.0.0.1:${to.port}`];
      return ['skopeo', 'sync', '--all', '--src', 'yaml', '--dest', 'docker', ...place];
    },
  },
];

/** @returns seconds */
async function timed(command: readonly string[]): Promise<number> {
  const start = performance.now();
  const child = spawn('taskset', ['-c', ALL_CORES, ...command], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}`);
  return (performance.now() - start) / 1000;
}

async function fill(peer: Peer): Promise<void> {
  const bytes = Math.floor((MIB * 1024 * 1024) / (IMAGES * LAYERS_EACH));
  const shared = Array.from({ length: LAYERS_EACH / 2 }, () => randomBytes(bytes));
  for (const name of names) {
    const own = Array.from({ length: LAYERS_EACH / 2 }, () => randomBytes(bytes));
    await pushImage(peer, name, 'v1', [...shared, ...own]);
  }
}

const folder = await mkdtemp(join(tmpdir(), 'bootdepot-bench-mirror-'));
const results = new Map<string, { readonly first: number[]; readonly again: number[] }>();
try {
  const source = await dockerRegistry(folder, join(folder, 'source'), ALL_CORES);
  await fill(source);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const mirror of MIRRORS) {
      const scratch = join(folder, `round-${round}-${mirror.name.split(' ')[0]}`);
      await mkdir(scratch);
      const target = await dockerRegistry(folder, join(scratch, 'target'), ALL_CORES);
      const command = await mirror.command(source, target, scratch);
      const found = results.get(mirror.name) ?? { first: [], again: [] };
      results.set(mirror.name, found);
      found.first.push(await timed(command));
      found.again.push(await timed(command));
      await target.stop();
      await rm(scratch, { recursive: true });
    }
  }
  await source.stop();
} finally {
  await rm(folder, { recursive: true, force: true });
}
printTable(`${IMAGES} images, ${MIB} MiB: least / median / most of ${ROUNDS} rounds, seconds`, [
  ['', 'to an empty registry', 'again'],
  ...[...results].map(([name, { first, again }]) => [
    name,
    formatSpread(spreadOf(first)),
    formatSpread(spreadOf(again)),
  ]),
]);
