/**
 * The registry: bootdepot beside docker-registry, each with its own folder, and nginx for a file of 100 MiB, in turns.
 *
 *     npm run build && npx tsx bench/registry.ts [ROUNDS]
 *
 * For reading, servers run on one core and the client, which copies every byte, on the other; pushes may use both.
 * Needs Linux, docker-registry, nginx, wrk and taskset.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ALL_CORES, bareHttp, bootdepot, memoryOf, nginx, type Peer, type StartPeer } from './peers.js';
import { download, type Measured, manifests, pushLarge, pushSmall } from './registry-loads.js';
import { digestOf, dockerRegistry, pushImage } from './registry-peers.js';
import { formatSpread, printBars, printTable, spreadOf } from './report.js';

const MIB = 1024 * 1024;
const ROUNDS = Number(process.argv[2] ?? 5);
const WARM_UPS = 1;
const LAYERS = [randomBytes(MIB), randomBytes(100 * MIB)] as const;
const [LAYER, LARGE_LAYER] = LAYERS.map((bytes) => `/v2/bench/image/blobs/${digestOf(bytes)}`);
const LARGE_FILE = '/assets/layer';

/** One measurement that some servers go through in every round. */
interface Load {
  readonly name: string;
  readonly unit: string;
  /** Whom the others are compared with. */
  readonly peer: string;
  run(peer: Peer): Measured | Promise<Measured>;
}

const MANIFEST: Load = {
  name: 'manifest by tag, 16 connections',
  unit: 'requests/s; CPU µs/request',
  peer: 'docker-registry',
  run: (peer) => manifests(peer, '/v2/bench/image/manifests/v1'),
};
const SMALL_READ: Load = {
  name: 'blob of 1 MiB, 8 connections',
  unit: 'MB/s; CPU s/GiB',
  peer: 'docker-registry',
  run: (peer) => download(peer, LAYER ?? '', 8, 64),
};
const LARGE_READ: Load = {
  name: 'blob of 100 MiB, 1 connection',
  unit: 'MB/s; CPU s/GiB',
  peer: 'nginx',
  run: (peer) => download(peer, peer.name === 'nginx' ? LARGE_FILE : (LARGE_LAYER ?? ''), 1, 10),
};
const PUSHES: readonly Load[] = [
  { name: 'push of 100 MiB', unit: 's; CPU s', peer: 'docker-registry', run: pushLarge },
  { name: 'push of 1,000 blobs of 4 KiB', unit: 's; CPU s', peer: 'docker-registry', run: pushSmall },
];

type Results = Map<string, { readonly values: number[]; readonly cpus: number[] }>;

async function measure(load: Load, peers: readonly Peer[]): Promise<Results> {
  const results: Results = new Map(peers.map(({ name }) => [name, { values: [], cpus: [] }]));
  for (let round = 1 - WARM_UPS; round <= ROUNDS; round += 1) {
    for (const peer of peers) {
      const { value, cpu } = await load.run(peer);
      if (round <= 0) continue;
      results.get(peer.name)?.values.push(value);
      results.get(peer.name)?.cpus.push(cpu);
    }
  }
  return results;
}

/** The median of bootdepot as a share of the other's. */
function shareOf(load: Load, results: Results, name = 'bootdepot'): number {
  const median = (of: string) => spreadOf(results.get(of)?.values ?? []).median;
  return median(name) / median(load.peer);
}

function printLoad(load: Load, results: Results): void {
  const rows = [...results].map(([name, { values, cpus }]) => [
    name,
    formatSpread(spreadOf(values)),
    shareOf(load, results, name).toFixed(2),
    formatSpread(spreadOf(cpus)),
  ]);
  printTable(`${load.name} (${load.unit}; ${ROUNDS} rounds)`, [
    ['server', 'min / median / max', `of ${load.peer}`, 'CPU'],
    ...rows,
  ]);
}

/** Starts servers, lets them do their loads in turns, and stops them. */
async function inTurns(
  starts: readonly StartPeer[],
  root: string,
  cores: string | undefined,
  work: (peers: readonly Peer[]) => Promise<void>,
): Promise<void> {
  const peers: Peer[] = [];
  try {
    for (const start of starts) peers.push(await start(root, await mkdtemp(join(root, 'scratch-')), cores));
    await work(peers);
    printTable('memory, MB, at the most', [
      ['server', ''],
      ...peers.map(({ name, pid }) => [name, memoryOf(pid).peak.toFixed(0)]),
    ]);
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
  }
}

async function main(root: string): Promise<void> {
  await mkdir(join(root, 'assets'));
  await writeFile(join(root, LARGE_FILE), LAYERS[1]);
  const shares = new Map<Load, number>();
  const run = async (load: Load, peers: readonly Peer[]) => {
    const results = await measure(load, peers);
    shares.set(load, shareOf(load, results));
    printLoad(load, results);
  };
  const registries = [dockerRegistry, bootdepot('bootdepot')];
  await inTurns([...registries, nginx, bareHttp], root, undefined, async (peers) => {
    const both = peers.slice(0, registries.length);
    const all = (...others: string[]) => [...both, ...peers.filter(({ name }) => others.includes(name))];
    for (const peer of both) await pushImage(peer, 'bench/image', 'v1', LAYERS);
    await run(MANIFEST, all('bare node:http'));
    await run(SMALL_READ, both);
    await run(LARGE_READ, all('nginx'));
  });
  await inTurns(registries, root, ALL_CORES, async (peers) => {
    for (const load of PUSHES) await run(load, peers);
  });
  const goals = [30, 8, 0.95, 0.5, 0.5];
  printBars(
    [MANIFEST, SMALL_READ, LARGE_READ, ...PUSHES].map((load, index) => ({
      name: `${load.name}, of ${load.peer}`,
      value: shares.get(load) ?? Number.NaN,
      goal: goals[index] ?? Number.NaN,
      wants: PUSHES.includes(load) ? 'most' : 'least',
    })),
  );
}

const root = await mkdtemp(join(tmpdir(), 'bootdepot-bench-'));
try {
  await main(root);
} finally {
  await rm(root, { recursive: true, force: true });
}
