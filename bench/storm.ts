/**
 * A boot storm: 200 machines within 0.2 s, each takes a kernel, an initrd, signatures and blobs, 78 MB in all; a probe
 * asks for a small file all through. bootdepot, nginx and plain express.static in turns, a fresh process each time.
 *
 *     npm run build && npx tsx bench/storm.ts [ROUNDS [CLIENTS]]
 *
 * Servers run on one core and the client, which throws bodies away inside the kernel, on the other.
 */
import { execFileSync } from 'node:child_process';
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
  type StartPeer,
} from './peers.js';
import { formatSpread, printBars, printTable, spreadOf } from './report.js';
import type { StormResult } from './storm-client.js';

const MIB = 1024 * 1024;
const ROUNDS = Number(process.argv[2] ?? 5);
const CLIENTS = Number(process.argv[3] ?? 200);
const ARRIVAL_MS = 200;
const FILES = {
  'boot.json': 600,
  kernel: 8 * MIB,
  'kernel.asc': 850,
  initrd: 64 * MIB,
  'initrd.asc': 850,
  'blob-4k': 4096,
  'blob-1m-a': MIB,
  'blob-1m-b': MIB,
};

/** The figures of one storm. */
interface Figures {
  readonly seconds: number;
  readonly smallP50: number;
  readonly smallP99: number;
  readonly smallMax: number;
  readonly probeP50: number;
  readonly probeP99: number;
  readonly cpu: number;
  readonly peakMb: number;
}

const COLUMNS: readonly [keyof Figures, string][] = [
  ['seconds', 'total s'],
  ['smallP50', 'small p50 ms'],
  ['smallP99', 'small p99 ms'],
  ['smallMax', 'small max ms'],
  ['probeP50', 'probe p50 ms'],
  ['probeP99', 'probe p99 ms'],
  ['cpu', 'CPU s'],
  ['peakMb', 'peak MB'],
];

async function writeFiles(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, size] of Object.entries(FILES)) {
    const file = await open(join(folder, name), 'w');
    await file.write(Buffer.alloc(size, name));
    await file.close();
  }
}

async function storm(start: StartPeer, root: string): Promise<[string, Figures]> {
  const peer = await start(root, join(root, 'scratch'));
  try {
    await warmUp(peer.port);
    const before = cpuSeconds(peer.pid);
    const client = ['--import', 'tsx', 'bench/storm-client.ts', String(peer.port)];
    const pinned = ['-c', String(CLIENT_CORE), process.execPath, ...client];
    const options = { encoding: 'utf8', maxBuffer: 64 * MIB } as const;
    const text = execFileSync('taskset', [...pinned, String(CLIENTS), String(ARRIVAL_MS)], options);
    const result: StormResult = JSON.parse(text);
    const figures = {
      seconds: result.seconds,
      smallP50: quantile(result.small, 0.5),
      smallP99: quantile(result.small, 0.99),
      smallMax: quantile(result.small, 1),
      probeP50: quantile(result.probe, 0.5),
      probeP99: quantile(result.probe, 0.99),
      cpu: cpuSeconds(peer.pid) - before,
      peakMb: memoryOf(peer.pid).peak,
    };
    return [peer.name, figures];
  } finally {
    await peer.stop();
  }
}

/** A server that has run for a while: its code is compiled, its small files are known. */
async function warmUp(port: number): Promise<void> {
  for (let count = 0; count < 200; count += 1) {
    for (const [name, size] of Object.entries(FILES)) {
      if (size > MIB && count > 4) continue;
      const response = await fetch(`http://127.0.0.1:${port}/assets/${name}`);
      const { byteLength } = await response.arrayBuffer();
      if (byteLength !== size) throw new Error(`${name} has ${byteLength} bytes`);
    }
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

async function main(root: string): Promise<void> {
  await writeFiles(join(root, 'assets'));
  const starts = [
    nginx,
    bootdepot('bootdepot'),
    bootdepot('bootdepot, no sendfile', '--no-sendfile'),
    expressStatic,
  ];
  const results = new Map<string, Figures[]>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const start of starts) {
      const [name, figures] = await storm(start, root);
      results.set(name, [...(results.get(name) ?? []), figures]);
    }
  }
  const spread = (name: string, field: keyof Figures) =>
    spreadOf((results.get(name) ?? []).map((figures) => figures[field]));
  for (const [field, title] of COLUMNS) {
    const rows = [...results.keys()].map((name) => {
      const share = spread(name, field).median / spread('nginx', field).median;
      return [name, formatSpread(spread(name, field)), share.toFixed(2)];
    });
    printTable(`${title} (${CLIENTS} clients, ${ROUNDS} rounds)`, [
      ['server', 'min / median / max', 'of nginx'],
      ...rows,
    ]);
  }
  const median = (field: keyof Figures, name = 'bootdepot') => spread(name, field).median;
  printBars([
    {
      name: 'total, of nginx',
      value: median('seconds') / median('seconds', 'nginx'),
      goal: 1,
      wants: 'most',
    },
    { name: 'small p99, ms', value: median('smallP99'), goal: 20, wants: 'most' },
    { name: 'probe p99, ms', value: median('probeP99'), goal: 10, wants: 'most' },
    { name: 'peak memory, MB', value: median('peakMb'), goal: 110, wants: 'most' },
  ]);
}

const root = await mkdtemp(join(tmpdir(), 'bootdepot-storm-'));
try {
  await main(root);
} finally {
  await rm(root, { recursive: true, force: true });
}
