/** A mirror that is killed in the middle of a layer: the next run goes on from what was on the disk. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openRegistry, parseRepositoryName, parseTag } from '../../server/index.js';
import { digestOf, imageOf } from '../fixtures/registry-client.js';
import { startUpstream, type UpstreamRegistry } from '../fixtures/upstream-registry.js';

/** `KILL_POINTS=100` for a long run by hand. */
const POINTS = Number(process.env.KILL_POINTS ?? 2);
const PIECE = 64 * 1024;
/** What the mirror may have between the socket and the disk: less than a layer's chunk. With more it would get no more. */
const MOST_HELD = 3.5 * 1024 * 1024;
const MOST_AGAIN = 4 * 1024 * 1024;

const layer = randomBytes(10 * 1024 * 1024);
const image = imageOf([layer]);

let folder: string;
let upstream: UpstreamRegistry;
/** For each answer that sent bytes of the layer: where it began, and how far it came. */
let sent: { start: number; end: number }[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-kill-'));
  upstream = await startUpstream();
  upstream.put('app', 'v1', image);
  sent = [];
  upstream.script = (req, res, serve) => {
    if (req.method !== 'GET' || !req.url?.endsWith(digestOf(layer))) return serve();
    const start = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0);
    const range = { 'Content-Range': `bytes ${start}-${layer.length - 1}/${layer.length}` };
    res.writeHead(start > 0 ? 206 : 200, { 'Content-Length': layer.length - start, ...(start > 0 && range) });
    const answer = { start, end: start };
    sent.push(answer);
    sendSlowly(res, answer);
  };
});
afterEach(async () => {
  await upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Not faster than it comes to the disk, so that what was sent and is not there is what the mirror itself holds. */
function sendSlowly(res: ServerResponse, answer: { end: number }): void {
  if (res.destroyed) return;
  if (answer.end === layer.length) return void res.end();
  if (answer.end - sizeOnDisk() > MOST_HELD) return void setTimeout(() => sendSlowly(res, answer), 1);
  const piece = layer.subarray(answer.end, answer.end + PIECE);
  res.write(piece, () => {
    answer.end += piece.length;
    setTimeout(() => sendSlowly(res, answer), 1);
  });
}

function sizeOnDisk(): number {
  const parts = join(folder, 'data/registry/.bootdepot/mirror');
  try {
    const [name] = readdirSync(parts).filter((each) => each.includes(digestOf(layer).slice(7)));
    return name === undefined ? 0 : statSync(join(parts, name)).size;
  } catch {
    return 0;
  }
}

function start(): ChildProcess {
  const command = [
    resolve('dist/scripts/bootdepot.js'),
    'mirror',
    `${upstream.host}/app:v1`,
    '--rename',
    'basename',
  ];
  return spawn(process.execPath, command, { cwd: folder, env: { PATH: process.env.PATH }, stdio: 'ignore' });
}

test(`killed ${POINTS} times at some point: it finishes, and little is fetched twice`, async () => {
  for (let point = 1; point <= POINTS; point += 1) {
    const child = start();
    const runs = sent.length;
    const before = sent.at(-1)?.end ?? 0;
    const left = layer.length - before;
    const goal = before + randomInt(Math.floor(left / (POINTS - point + 2)), Math.floor(left * 0.9) + 1);
    const isFar = () => sent.length > runs && (sent.at(-1)?.end ?? 0) >= goal;
    while (!isFar() && child.exitCode === null) await new Promise((wake) => setTimeout(wake, 5));
    expect(child.exitCode).toBeNull();
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const last = start();
  const [code] = await once(last, 'exit');
  expect(code).toBe(0);
  for (const [index, { end }] of sent.slice(0, -1).entries()) {
    expect(end - (sent[index + 1]?.start ?? 0)).toBeLessThan(MOST_AGAIN);
  }
  const registry = await openRegistry({
    dir: join(folder, 'data/registry'),
    freeSpace: 0,
    onDamage: () => undefined,
  });
  const found = await registry.manifests.find(parseRepositoryName('app'), { tag: parseTag('v1') });
  expect(found?.digest).toBe(image.digest);
}, 60_000);
