/**
 * Static files: bootdepot with sendfile and without, plain express.static, and nginx, in turns.
 *
 *     npm run build && npx tsx bench/static.ts [ROUNDS]
 *
 * Servers run on one core and the client, which copies every byte, on the other. Needs Linux, nginx, wrk and taskset.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bootdepot,
  CLIENT_CORE,
  cpuSeconds,
  expressStatic,
  memoryOf,
  nginx,
  type Peer,
  type StartPeer,
} from './peers.js';
import { formatSpread, printBars, printTable, spreadOf } from './report.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const ROUNDS = Number(process.argv[2] ?? 5);
/** Rounds that are not counted: code is compiled while it runs, caches fill. */
const WARM_UPS = 3;
const SMALL_SECONDS = 3;
const FILES = { 'large.img': GIB, 'image.img': 64 * MIB, 'small.json': 4096 };

/** One measurement that every server goes through in every round. */
interface Load {
  readonly name: string;
  readonly unit: string;
  /** The figure, and the processor seconds that one unit of work cost. */
  run(peer: Peer): { readonly value: number; readonly cpu: number };
}

const PER_GIB = 'MB/s; CPU s/GiB';
const LOADS: readonly Load[] = [
  { name: '1 GiB, 1 connection', unit: PER_GIB, run: (peer) => download(peer, 'large.img', 1, 2) },
  { name: '64 MiB, 8 connections', unit: PER_GIB, run: (peer) => download(peer, 'image.img', 8, 4) },
  { name: '64 MiB, 64 connections', unit: PER_GIB, run: (peer) => download(peer, 'image.img', 64, 1) },
  { name: '4 KiB, 32 connections', unit: 'requests/s; CPU µs/request', run: requests },
];

/** Downloads a file `times` times on each connection. */
function download(peer: Peer, name: string, connections: number, times: number) {
  const before = cpuSeconds(peer.pid);
  const client = ['--import', 'tsx', 'bench/drain-client.ts', String(peer.port), `/assets/${name}`];
  const text = onClientCore(process.execPath, ...client, String(connections), String(times), 'copy');
  const { seconds, bytes }: { seconds: number; bytes: number } = JSON.parse(text);
  return { value: bytes / 1e6 / seconds, cpu: (cpuSeconds(peer.pid) - before) / (bytes / GIB) };
}

function requests(peer: Peer) {
  const before = cpuSeconds(peer.pid);
  const url = `http://127.0.0.1:${peer.port}/assets/small.json`;
  const text = onClientCore('wrk', '-t1', '-c32', `-d${SMALL_SECONDS}s`, url);
  if (text.includes('Non-2xx')) throw new Error(text);
  const count = Number(/(\d+) requests in/.exec(text)?.[1]);
  const cpu = ((cpuSeconds(peer.pid) - before) * 1e6) / count;
  return { value: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]), cpu };
}

function onClientCore(program: string, ...options: string[]): string {
  return execFileSync('taskset', ['-c', String(CLIENT_CORE), program, ...options], { encoding: 'utf8' });
}

/** Files whose blocks differ, so that mixed-up pieces show in the digest. */
async function writeFiles(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, size] of Object.entries(FILES)) {
    const file = await open(join(folder, name), 'w');
    const block = Buffer.alloc(Math.min(size, MIB), name);
    for (let position = 0; position < size; position += block.length) {
      block.writeDoubleBE(position, 0);
      await file.write(block);
    }
    await file.close();
  }
}

/** Every server must send the right bytes before it is measured; this also warms it up. */
async function checkContent(peer: Peer, folder: string): Promise<void> {
  for (const name of Object.keys(FILES)) {
    const response = await fetch(`http://127.0.0.1:${peer.port}/assets/${name}`);
    const file = await openAsBlob(join(folder, name));
    if ((await digest(response.body)) !== (await digest(file.stream())))
      throw new Error(`${peer.name}: ${name}`);
  }
}

async function digest(stream: AsyncIterable<Uint8Array> | null): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream ?? []) hash.update(chunk);
  return hash.digest('hex');
}

type Results = Map<string, { readonly values: number[]; readonly cpus: number[] }>;

function measure(load: Load, peers: readonly Peer[]): Results {
  const results: Results = new Map(peers.map(({ name }) => [name, { values: [], cpus: [] }]));
  for (let round = 1 - WARM_UPS; round <= ROUNDS; round += 1) {
    for (const peer of peers) {
      const { value, cpu } = load.run(peer);
      if (round <= 0) continue;
      results.get(peer.name)?.values.push(value);
      results.get(peer.name)?.cpus.push(cpu);
    }
  }
  return results;
}

/** Medians as shares of nginx's; `cpu` is the median of the processor time, as a share likewise. */
function sharesOf(results: Results, name: string): { value: number; cpu: number } {
  const median = (peer: string, of: 'values' | 'cpus') => spreadOf(results.get(peer)?.[of] ?? []).median;
  return {
    value: median(name, 'values') / median('nginx', 'values'),
    cpu: median(name, 'cpus') / median('nginx', 'cpus'),
  };
}

function printLoad(load: Load, results: Results): void {
  const rows = [...results].map(([name, { values, cpus }]) => {
    const shares = sharesOf(results, name);
    return [
      name,
      formatSpread(spreadOf(values)),
      shares.value.toFixed(2),
      formatSpread(spreadOf(cpus)),
      shares.cpu.toFixed(2),
    ];
  });
  printTable(`${load.name} (${load.unit}; ${ROUNDS} rounds)`, [
    ['server', 'min / median / max', 'of nginx', 'CPU', 'of nginx'],
    ...rows,
  ]);
}

async function main(root: string): Promise<void> {
  await writeFiles(join(root, 'assets'));
  const starts: StartPeer[] = [
    nginx,
    bootdepot('bootdepot'),
    bootdepot('bootdepot, no sendfile', '--no-sendfile'),
    expressStatic,
  ];
  const peers: Peer[] = [];
  try {
    for (const start of starts) peers.push(await start(root, join(root, `scratch-${peers.length}`)));
    const idle = new Map(peers.map(({ name, pid }) => [name, memoryOf(pid).now]));
    for (const peer of peers) await checkContent(peer, join(root, 'assets'));
    const all = new Map<string, Results>();
    for (const load of LOADS) {
      const results = measure(load, peers);
      all.set(load.name, results);
      printLoad(load, results);
    }
    printTable('memory, MB', [
      ['server', 'idle', 'most'],
      ...peers.map(({ name, pid }) => [
        name,
        (idle.get(name) ?? 0).toFixed(0),
        memoryOf(pid).peak.toFixed(0),
      ]),
    ]);
    printGoals(all, idle.get('bootdepot') ?? Number.NaN);
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
  }
}

function printGoals(all: ReadonlyMap<string, Results>, idleMb: number): void {
  const share = (load: number, name = 'bootdepot') => {
    const results = all.get(LOADS[load]?.name ?? '') ?? new Map();
    return sharesOf(results, name);
  };
  const speed = (name: string, load: number, goal: number) =>
    ({ name, value: share(load).value, goal, wants: 'least' }) as const;
  const cpu = (name: string, load: number) =>
    ({ name, value: share(load).cpu, goal: 1.3, wants: 'most' }) as const;
  printBars([
    speed('1 GiB, 1 connection, of nginx', 0, 0.95),
    speed('64 MiB, 8 connections, of nginx', 1, 1),
    speed('64 MiB, 64 connections, of nginx', 2, 1),
    cpu('CPU per GiB, 1 connection, of nginx', 0),
    cpu('CPU per GiB, 8 connections, of nginx', 1),
    cpu('CPU per GiB, 64 connections, of nginx', 2),
    {
      name: '1 GiB without sendfile, of nginx',
      value: share(0, 'bootdepot, no sendfile').value,
      goal: 0.5,
      wants: 'least',
    },
    speed('4 KiB, of one nginx worker', 3, 0.45),
    { name: 'idle memory, MB', value: idleMb, goal: 70, wants: 'most' },
  ]);
}

const root = await mkdtemp(join(tmpdir(), 'bootdepot-bench-'));
try {
  await main(root);
} finally {
  await rm(root, { recursive: true, force: true });
}
