/** What the registries go through in each round: manifests, blobs, pushes. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { CLIENT_CORE, cpuSeconds, type Peer } from './peers.js';
import { digestOf, IMAGE, pushBlob } from './registry-peers.js';

const MIB = 1024 * 1024;
const READ_SECONDS = 3;
const SMALL_PUSHES = 1000;
const PUSHERS = 8;

/** A figure, and what one unit of work cost in processor time. */
export interface Measured {
  readonly value: number;
  readonly cpu: number;
}

/** Manifests a second at 16 connections; processor µs for each. */
export function manifests(peer: Peer, path: string): Measured {
  const before = cpuSeconds(peer.pid);
  const url = `http://127.0.0.1:${peer.port}${path}`;
  const options = ['-t1', '-c16', `-d${READ_SECONDS}s`, '-H', `Accept: ${IMAGE}`, url];
  const text = onClientCore('wrk', ...options);
  if (text.includes('Non-2xx')) throw new Error(text);
  const count = Number(/(\d+) requests in/.exec(text)?.[1]);
  return {
    value: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    cpu: ((cpuSeconds(peer.pid) - before) * 1e6) / count,
  };
}

/** MB/s of a blob that is downloaded `times` times on each connection; processor s/GiB. */
export function download(peer: Peer, path: string, connections: number, times: number): Measured {
  const before = cpuSeconds(peer.pid);
  const client = ['--import', 'tsx', 'bench/drain-client.ts', String(peer.port), path];
  const text = onClientCore(process.execPath, ...client, String(connections), String(times), 'copy');
  const { seconds, bytes }: { seconds: number; bytes: number } = JSON.parse(text);
  return { value: bytes / 1e6 / seconds, cpu: (cpuSeconds(peer.pid) - before) / (bytes / (1024 * MIB)) };
}

function onClientCore(program: string, ...options: string[]): string {
  return execFileSync('taskset', ['-c', String(CLIENT_CORE), program, ...options], { encoding: 'utf8' });
}

const large = randomBytes(100 * MIB);

/** Seconds, wall and processor, for one push of 100 MiB that nobody has seen before. */
export async function pushLarge(peer: Peer): Promise<Measured> {
  randomBytes(32).copy(large);
  const blob = { bytes: large, digest: digestOf(large) };
  return await timed(peer, () => pushBlob(peer, 'bench/push', blob, 'patch'));
}

/** The same for 1,000 blobs of 4 KiB, eight at a time. */
export async function pushSmall(peer: Peer): Promise<Measured> {
  const blobs = Array.from({ length: SMALL_PUSHES }, () => {
    const bytes = randomBytes(4096);
    return { bytes, digest: digestOf(bytes) };
  });
  return await timed(peer, async () => {
    const pusher = async () => {
      for (let blob = blobs.pop(); blob !== undefined; blob = blobs.pop()) {
        await pushBlob(peer, 'bench/push', blob, 'put');
      }
    };
    await Promise.all(Array.from({ length: PUSHERS }, pusher));
  });
}

/** What an earlier push left for the disk is written first, so that nobody pays for others. */
async function timed(peer: Peer, work: () => Promise<void>): Promise<Measured> {
  execFileSync('sync');
  const before = cpuSeconds(peer.pid);
  const started = performance.now();
  await work();
  return { value: (performance.now() - started) / 1000, cpu: cpuSeconds(peer.pid) - before };
}
