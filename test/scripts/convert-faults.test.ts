/** `bootdepot convert` that is killed in its middle, and several images at once. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mustBootdepot } from '../fixtures/command.js';
import { writeLayout } from '../fixtures/oci-layout.js';
import { digestOf } from '../fixtures/registry-client.js';
import { imageWith } from '../fixtures/registry-images.js';
import { buildTar } from '../fixtures/tar.js';
import { testKeyFolder } from '../fixtures/test-key.js';
import { until } from '../fixtures/until.js';
import { startUpstream, type UpstreamRegistry } from '../fixtures/upstream-registry.js';

let folder: string;
let upstream: UpstreamRegistry;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-faults-'));
  await testKeyFolder(folder);
  upstream = await startUpstream();
});
afterEach(async () => {
  await upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs beside this process, which may have to answer it. */
function begin(...args: string[]): ChildProcess {
  const command = [resolve('dist/scripts/bootdepot.js'), 'convert', ...args];
  const { PATH } = process.env;
  return spawn(process.execPath, command, {
    cwd: folder,
    env: { PATH },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function outOf(child: ChildProcess): Promise<string> {
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  expect(await once(child, 'close')).toEqual([0, null]);
  return out;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
}

function files(): string[] {
  try {
    return readdirSync(join(folder, 'assets')).sort();
  } catch {
    return [];
  }
}
const visible = () => files().filter((name) => !name.endsWith('.tmp'));
const image = (name: string) => imageWith([{ name, content: randomBytes(200_000) }]);

describe('killed', () => {
  test('while a layer comes from a registry, it leaves nothing, and the next one succeeds', async () => {
    const made = image('a');
    upstream.put('team/app', 'v1', made);
    const layer = made.blobs[1] ?? Buffer.alloc(0);
    let stalled = 0;
    upstream.script = (req, res, serve) => {
      if (!req.url?.endsWith(digestOf(layer))) return serve();
      stalled += 1;
      res.writeHead(200, { 'Content-Length': layer.length });
      res.write(layer.subarray(0, 100_000));
    };
    const name = `docker://${upstream.host}/team/app:v1`;
    const child = begin(name);
    await until(() => stalled === 1);
    expect(stalled).toBe(1);
    await kill(child);
    expect(visible()).toEqual([]);
    upstream.script = undefined;
    expect(await outOf(begin(name))).toContain('converted');
    expect(files()).toEqual(['team-app:v1.aci', 'team-app:v1.aci.asc']);
    expect(mustBootdepot(folder, ['verify'])).toContain('1 good');
  });

  test('while it unpacks and writes an archive, it leaves nothing, and the next one succeeds', async () => {
    const noise = { name: 'noise', content: randomBytes(24_000_000) };
    writeLayout(join(folder, 'layout'), { layers: [buildTar([noise])] });
    execFileSync('tar', ['-C', join(folder, 'layout'), '-cf', join(folder, 'app.tar'), '.']);
    const child = begin('oci-archive:app.tar', '--level', '9');
    await until(() => files().some((name) => name.endsWith('.tmp')));
    await kill(child);
    expect(visible()).toEqual([]);
    expect(await outOf(begin('oci-archive:app.tar', '--level', '1'))).toContain('converted');
    expect(files()).toEqual(['app:latest.aci', 'app:latest.aci.asc']);
    expect(mustBootdepot(folder, ['verify'])).toContain('1 good');
  });
});

test('--jobs 2: two images are converted at once, and no third', async () => {
  const names = ['a', 'b', 'c'];
  const layers = new Set<string>();
  for (const name of names) {
    const made = image(name);
    layers.add(digestOf(made.blobs[1] ?? ''));
    upstream.put(`team/${name}`, 'v1', made);
  }
  const waiting: (() => void)[] = [];
  upstream.script = (req, _, serve) => {
    if (layers.has(req.url?.split('/').at(-1) ?? '')) waiting.push(serve);
    else serve();
  };
  const list = names.map((name) => `docker://${upstream.host}/team/${name}:v1`);
  // The same image twice takes turns with itself.
  writeFileSync(join(folder, 'images.txt'), [...list, list[2]].join('\n'));
  const out = outOf(begin('--from', 'images.txt', '--jobs', '2', '--no-sign'));
  await until(() => waiting.length >= 2);
  await new Promise((wake) => setTimeout(wake, 200));
  expect(waiting).toHaveLength(2);
  upstream.script = undefined;
  for (const serve of waiting) serve();
  expect(await out).toMatch(/4 files: 3 converted, 1 already there\n$/);
  expect(files()).toEqual(['team-a:v1.aci', 'team-b:v1.aci', 'team-c:v1.aci']);
});
