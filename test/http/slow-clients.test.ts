/** Many clients that hardly read: they must not cost the others anything. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { dial } from './line-client.js';

const CLIENTS = 500;
const SECONDS = 5;
const LARGE_BYTES = 64 * 1024 * 1024;

let folder: string;
let depot: RunningDepot;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-slow-'));
  await writeFile(join(folder, 'initrd'), Buffer.alloc(LARGE_BYTES, 'initrd'));
  await writeFile(join(folder, 'kernel'), Buffer.alloc(1024 * 1024, 'kernel'));
  depot = await startDepot(['--assets', folder]);
});
afterAll(async () => {
  await depot.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Asks for the large file and then takes one byte a second. */
async function startSlowReader(): Promise<{ socket: Socket; end(): void }> {
  const socket = await dial(depot.port);
  socket.pause();
  socket.write('GET /assets/initrd HTTP/1.1\r\nHost: depot\r\n\r\n');
  const timer = setInterval(() => void socket.read(1), 1_000);
  return {
    socket,
    end() {
      clearInterval(timer);
      socket.destroy();
    },
  };
}

/** Downloads a file again and again for a while; returns how long each download took, sorted, in ms. */
async function downloads(): Promise<number[]> {
  const times: number[] = [];
  const until = Date.now() + SECONDS * 1_000;
  while (Date.now() < until) {
    const before = performance.now();
    const answer = await fetch(`${depot.url}/assets/kernel`);
    expect((await answer.arrayBuffer()).byteLength).toBe(1024 * 1024);
    times.push(performance.now() - before);
  }
  return times.sort((a, b) => a - b);
}

test(`${CLIENTS} clients that read one byte a second do not slow others`, async () => {
  const alone = await downloads();
  const slow = await Promise.all(Array.from({ length: CLIENTS }, startSlowReader));
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const times = await downloads();
  delay.disable();
  const metrics = await (await fetch(`${depot.url}/metrics`)).text();
  const figure = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
  process.stderr.write(
    `${CLIENTS} slow clients: ${times.length} files of 1 MiB (${alone.length} without them), median ${times[times.length >> 1]?.toFixed(1)} ms, ` +
      `slowest ${times.at(-1)?.toFixed(1)} ms; event loop delay of the server p99 ` +
      `${(figure('nodejs_eventloop_lag_p99_seconds') * 1000).toFixed(1)} ms, of the test ` +
      `${(delay.percentile(99) / 1e6).toFixed(1)} ms; RSS ${Math.round(figure('process_resident_memory_bytes') / 1e6)} MB\n`,
  );
  expect(figure('bootdepot_open_connections')).toBeGreaterThanOrEqual(CLIENTS);
  expect(figure('bootdepot_open_transfers')).toBe(CLIENTS);
  // Far below what is seen (the same number): the machine may be busy with something else meanwhile.
  expect(times.length).toBeGreaterThan(alone.length / 4);
  const closed = slow.map(({ socket }) => once(socket, 'close'));
  for (const { end } of slow) end();
  await Promise.all(closed);
  while ((await openTransfers()) > 0) await new Promise((wake) => setTimeout(wake, 50));
}, 60_000);

async function openTransfers(): Promise<number> {
  const metrics = await (await fetch(`${depot.url}/metrics`)).text();
  return Number(/^bootdepot_open_transfers (\d+)$/m.exec(metrics)?.[1]);
}
