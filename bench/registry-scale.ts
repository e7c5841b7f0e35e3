/**
 * The registry with much in it and much to do: a pull through an upstream beside a direct one, memory under many large pulls,
 * a start with 100,000 blobs, lists of 5,000 repositories and 5,000 tags.
 *
 *     npm run build && npx tsx bench/registry-scale.ts [ROUNDS] [pull|memory|many]
 *
 * Needs Linux, docker-registry, nginx and taskset. Nothing is pinned, but for the many pulls: there the client, which drops
 * what it gets inside the kernel, has a core of its own.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ALL_CORES,
  bootdepot,
  CLIENT_CORE,
  freePort,
  memoryOf,
  type Peer,
  pinned,
  started,
} from './peers.js';
import { RegistryFolder } from './registry-folders.js';
import { digestOf, dockerRegistry, pushBlob } from './registry-peers.js';
import { type Bar, formatSpread, printBars, printTable, type Spread, spreadOf } from './report.js';

const MIB = 1024 * 1024;
const ROUNDS = Number(process.argv[2] ?? 5);
/** The one part that is wanted; all without it. */
const ONLY = process.argv[3];
const PULLED_BYTES = 100 * MIB;
/** A network of 1 Gbit/s. */
const GIGABIT_BYTES = 125_000_000;
const PULLS = 200;
const PULL_SECONDS = 20;
const BLOBS = 100_000;
const MANY = 5000;

/** What one thing to measure has to say. */
type Part = (scratch: string) => Promise<Bar[]>;

/** Milliseconds of a request until its last byte has come. */
async function timeGet(url: string, status = 200): Promise<{ readonly ms: number; readonly bytes: number }> {
  const begun = performance.now();
  const [res] = (await once(get(url), 'response')) as [IncomingMessage];
  if (res.statusCode !== status) throw new Error(`${url}: ${res.statusCode}`);
  let bytes = 0;
  res.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await once(res, 'end');
  return { ms: performance.now() - begun, bytes };
}

/** Something that is done once for each name in every round, in turns. */
async function inTurns(
  names: readonly string[],
  run: (name: string, round: number) => Promise<number>,
): Promise<ReadonlyMap<string, Spread>> {
  const values = new Map(names.map((name): [string, number[]] => [name, []]));
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [name, list] of values) {
      const value = await run(name, round);
      if (round > 0) list.push(value);
    }
  }
  return new Map([...values].map(([name, list]) => [name, spreadOf(list)]));
}

function printMs(title: string, spreads: ReadonlyMap<string, Spread>): void {
  const rows = [...spreads].map(([name, spread]) => [name, formatSpread(spread)]);
  printTable(`${title} (${ROUNDS} rounds)`, [['', 'ms, min / median / max'], ...rows]);
}

function medianOf(spreads: ReadonlyMap<string, Spread>, name: string): number {
  return spreads.get(name)?.median ?? Number.NaN;
}

/** What is behind it at no more than the speed of a network, each answer for itself. */
async function slowed(peer: Peer, scratch: string): Promise<Peer> {
  const port = await freePort();
  const config = join(scratch, 'slow.conf');
  await writeFile(
    config,
    `worker_processes 1; daemon off; pid ${scratch}/slow.pid; user root; events {}
     http {
       access_log off; proxy_temp_path ${scratch}/slow; client_body_temp_path ${scratch}/slow-body;
       server {
         listen 127.0.0.1:${port};
         location / {
           proxy_pass http://127.0.0.1:${peer.port}; proxy_http_version 1.1; proxy_set_header Host $http_host;
           proxy_buffers 64 64k; proxy_max_temp_file_size 0; limit_rate ${GIGABIT_BYTES};
         }
       }
     }`,
  );
  const child = pinned(ALL_CORES, 'nginx', '-p', scratch, '-e', join(scratch, 'slow.log'), '-c', config);
  return await started('nginx', port, child);
}

const pullThrough: Part = async (scratch) => {
  const upstream = await dockerRegistry(scratch, scratch, ALL_CORES);
  const network = await slowed(upstream, scratch);
  const config = join(scratch, 'depot.yaml');
  const upstreams = {
    'fast.test': { url: `http://127.0.0.1:${upstream.port}` },
    'gigabit.test': { url: `http://127.0.0.1:${network.port}` },
  };
  await writeFile(config, JSON.stringify({ registry: { upstreams } }));
  const depot = await bootdepot('bootdepot', '--config', config)(scratch, scratch, ALL_CORES);
  const bars: Bar[] = [];
  try {
    for (const [name, peer] of [
      ['gigabit.test', network],
      ['fast.test', upstream],
    ] as const) {
      const ways = { direct: `${peer.port}/v2/`, through: `${depot.port}/v2/${name}/` };
      const path = await pushedBlobs(upstream);
      const spreads = await inTurns(Object.keys(ways), async (way, round) => {
        const { ms, bytes } = await timeGet(
          `http://127.0.0.1:${way === 'direct' ? ways.direct : ways.through}${path(round)}`,
        );
        if (bytes !== PULLED_BYTES) throw new Error(`${bytes} bytes came`);
        return ms;
      });
      printMs(`a blob of 100 MiB that the depot has not, ${name}`, spreads);
      bars.push({
        name: `pull through a depot, of a direct one, ${name}`,
        value: medianOf(spreads, 'through') / medianOf(spreads, 'direct'),
        goal: 1.1,
        wants: 'most',
      });
    }
  } finally {
    for (const peer of [depot, network, upstream]) await peer.stop();
  }
  return bars;
};

/** Blobs that nobody has seen before, one for each round. */
async function pushedBlobs(upstream: Peer): Promise<(round: number) => string> {
  const digests: string[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const bytes = randomBytes(PULLED_BYTES);
    digests.push(digestOf(bytes));
    await pushBlob(upstream, 'bench/pull', { bytes, digest: digestOf(bytes) }, 'put');
  }
  return (round) => `bench/pull/blobs/${digests[round]}`;
}

/** The first of them find a blob that nobody has checked. */
const manyPulls: Part = async (scratch) => {
  const digest = new RegistryFolder(join(scratch, 'data/registry')).addSparse('bench/zeros', 1024 * MIB);
  const depot = await bootdepot('bootdepot')(scratch, scratch);
  try {
    const path = `/v2/bench/zeros/blobs/${digest}`;
    const unchecked = await drainMany(depot, path);
    await timeGet(`http://127.0.0.1:${depot.port}${path}`);
    const checked = await drainMany(depot, path);
    printTable(`${PULLS} pulls of 1 GiB at once, for ${PULL_SECONDS} s`, [
      ['', 'GB that came', 'memory, MB, at the most until then'],
      ['nobody has checked it', (unchecked.bytes / 1e9).toFixed(1), unchecked.peak.toFixed(0)],
      ['it was checked', (checked.bytes / 1e9).toFixed(1), checked.peak.toFixed(0)],
    ]);
    return [
      { name: `memory under ${PULLS} pulls of 1 GiB, MB`, value: checked.peak, goal: 150, wants: 'most' },
    ];
  } finally {
    await depot.stop();
  }
};

async function drainMany(
  depot: Peer,
  path: string,
): Promise<{ readonly bytes: number; readonly peak: number }> {
  const client = ['--import', 'tsx', 'bench/drain-client.ts', String(depot.port), path, String(PULLS)];
  const options = [
    '-c',
    String(CLIENT_CORE),
    process.execPath,
    ...client,
    '1',
    'discard',
    String(PULL_SECONDS),
  ];
  const child = spawn('taskset', options, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = (await once(child.stdout, 'data')) as [Buffer];
  const { bytes }: { bytes: number } = JSON.parse(text.toString());
  return { bytes, peak: memoryOf(depot.pid).peak };
}

/** Milliseconds from the start of a program to its first answer; it is stopped again. */
async function timeStart(scratch: string): Promise<number> {
  const begun = performance.now();
  const depot = await bootdepot('bootdepot')(scratch, scratch, ALL_CORES);
  await timeGet(`http://127.0.0.1:${depot.port}/readyz`);
  const ms = performance.now() - begun;
  await depot.stop();
  return ms;
}

const manyBlobs: Part = async (scratch) => {
  const [full, empty] = [join(scratch, 'full'), join(scratch, 'empty')];
  const folder = new RegistryFolder(join(full, 'data/registry'));
  folder.addBlobs('bench/many', BLOBS);
  for (let index = 0; index < MANY; index += 1)
    folder.addRepository(`team-${index % 50}/app-${index}`, ['v1']);
  folder.addRepository(
    'bench/tags',
    Array.from({ length: MANY }, (_, index) => `v${index}`),
  );
  // The same lists beside no blobs at all: whoever looked at blobs would be quicker here.
  const layout = 'data/registry/docker/registry/v2';
  await mkdir(join(empty, layout), { recursive: true });
  await symlink(join(full, layout, 'repositories'), join(empty, layout, 'repositories'));
  const starts = await inTurns([full, empty], timeStart);
  printTable(`from start to ready (${ROUNDS} rounds)`, [
    ['', 'ms, min / median / max'],
    ...[...starts].map(([root, spread]) => [
      root === full ? '100,000 blobs' : 'no blobs',
      formatSpread(spread),
    ]),
  ]);
  const peers = new Map([
    ['100,000 blobs', await bootdepot('bootdepot')(full, full, ALL_CORES)],
    ['no blobs', await bootdepot('bootdepot')(empty, empty, ALL_CORES)],
  ]);
  try {
    for (const path of [
      '_catalog?n=100',
      '_catalog?n=10000',
      'bench/tags/tags/list?n=100',
      'bench/tags/tags/list',
    ]) {
      const spreads = await inTurns([...peers.keys()], async (name) => {
        return (await timeGet(`http://127.0.0.1:${peers.get(name)?.port}/v2/${path}`)).ms;
      });
      printMs(`/v2/${path}`, spreads);
    }
  } finally {
    for (const peer of peers.values()) await peer.stop();
  }
  return [{ name: 'start with 100,000 blobs, ms', value: medianOf(starts, full), goal: 1000, wants: 'most' }];
};

const PARTS: readonly (readonly [string, Part])[] = [
  ['pull', pullThrough],
  ['memory', manyPulls],
  ['many', manyBlobs],
];

const root = await mkdtemp(join(tmpdir(), 'bootdepot-bench-'));
try {
  const bars: Bar[] = [];
  for (const [name, part] of PARTS) {
    if (ONLY !== undefined && ONLY !== name) continue;
    const scratch = await mkdtemp(join(root, 'part-'));
    for (const folder of ['assets', 'slow']) await mkdir(join(scratch, folder));
    bars.push(...(await part(scratch)));
    await rm(scratch, { recursive: true, force: true });
  }
  printBars(bars);
} finally {
  await rm(root, { recursive: true, force: true });
}
