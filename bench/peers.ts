/** The servers that a benchmark compares: each a process of its own, pinned to one core, on a free loopback port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The core that servers run on; clients run on the other. */
export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;
/** For what is measured without pinning anything. */
export const ALL_CORES = `${SERVER_CORE},${CLIENT_CORE}`;
const TICKS_PER_SECOND = 100;
const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));

/** A running server. */
export interface Peer {
  readonly name: string;
  readonly port: number;
  /** The process that does the work. */
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * Starts a server for a folder; its file `assets/x` is to be at `/assets/x`.
 *
 * @param cores - that it may run on, as taskset has them; one by default
 */
export type StartPeer = (root: string, scratch: string, cores?: string) => Promise<Peer>;

/** Arguments of bootdepot beside its folders. */
export function bootdepot(name: string, ...options: string[]): StartPeer {
  return async (root, scratch, cores) => {
    const port = await freePort();
    const folders = [
      '--assets',
      join(root, 'assets'),
      '--keys',
      join(scratch, 'keys'),
      '--data',
      join(scratch, 'data'),
    ];
    const entry = join(REPOSITORY, 'dist/scripts/bootdepot.js');
    const serve = ['serve', '--listen', `127.0.0.1:${port}`, '--log-level', 'warn', ...folders, ...options];
    return await started(name, port, pinned(cores, process.execPath, entry, ...serve));
  };
}

const EXPRESS_STATIC = `
  import express from 'express';
  const [root, port] = process.argv.slice(1);
  express().use(express.static(root)).listen(Number(port), '127.0.0.1');
`;

/** Express and its static files as they come. */
export const expressStatic: StartPeer = async (root, _scratch, cores) => {
  const port = await freePort();
  const program = ['--input-type=module', '--eval', EXPRESS_STATIC, root, String(port)];
  return await started('express.static', port, pinned(cores, process.execPath, ...program));
};

const BARE_HTTP = `
  import { createServer } from 'node:http';
  const body = '.'.repeat(800);
  const headers = { 'Content-Type': 'text/plain', 'Content-Length': String(body.length) };
  createServer((_req, res) => res.writeHead(200, headers).end(body, 'latin1')).listen(process.argv[1], '127.0.0.1');
`;

/** Node's own server with a constant for every answer: no program on top of it can be quicker. */
export const bareHttp: StartPeer = async (_root, _scratch, cores) => {
  const port = await freePort();
  const program = ['--input-type=module', '--eval', BARE_HTTP, String(port)];
  return await started('bare node:http', port, pinned(cores, process.execPath, ...program));
};

/** nginx with one worker and `sendfile`, without an access log. */
export const nginx: StartPeer = async (root, scratch, cores) => {
  const port = await freePort();
  const folder = join(scratch, 'nginx');
  await mkdir(folder, { recursive: true });
  const config = join(folder, 'nginx.conf');
  await writeFile(config, nginxConfig(root, folder, port));
  const child = pinned(cores, 'nginx', '-p', folder, '-e', join(folder, 'error.log'), '-c', config);
  const peer = await started('nginx', port, child);
  return { ...peer, pid: Number(readChildren(peer.pid)[0]) };
};

function nginxConfig(root: string, folder: string, port: number): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
    worker_processes 1; daemon off; pid ${folder}/nginx.pid; user root;
    events { worker_connections 4096; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
      types {} default_type application/octet-stream;
      ${kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
      server { listen 127.0.0.1:${port} backlog=4096; root ${root}; }
    }`;
}

/** Starts a program on some cores. */
export function pinned(
  cores = String(SERVER_CORE),
  program: string,
  ...options: readonly string[]
): ChildProcess {
  const stdio = ['ignore', 'ignore', 'ignore'] as const;
  return spawn('taskset', ['-c', cores, program, ...options], {
    cwd: REPOSITORY,
    stdio: [...stdio],
  });
}

/** Waits until a server accepts. taskset becomes the program, so the child's id is the program's. */
export async function started(name: string, port: number, child: ChildProcess): Promise<Peer> {
  for (let attempt = 0; !(await accepts(port)); attempt += 1) {
    if (attempt === 200 || child.exitCode !== null) throw new Error(`${name} does not start`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    name,
    port,
    pid: child.pid ?? 0,
    async stop() {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

function readChildren(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
}

/** Processor seconds that a process has used, its own and the system's for it. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Memory of a process in MB: what it holds now, and the most it ever held. */
export function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) =>
    (Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) * 1024) / 1e6;
  return { now: field('VmRSS'), peak: field('VmHWM') };
}
