import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { loadConfig } from '../../server/index.js';
import { describeWith } from '../clients/programs.js';
import { image } from '../fixtures/signing-depot.js';
import { testKeyFolder } from '../fixtures/test-key.js';

const COMMAND = resolve('dist/scripts/bootdepot.js');

let folder: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-serve-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command that ends by itself. */
function bootdepot(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

/** Starts `serve` on a free port and waits until it has said where. */
async function serve(...flags: string[]) {
  const args = [COMMAND, 'serve', '--listen', '127.0.0.1:0', ...flags];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  const exited = once(child, 'exit').then(() => child.exitCode);
  const heard = { talk: '', log: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    heard.log += text;
  });
  await new Promise<void>((settle) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      heard.talk += text;
      if (heard.talk.includes('Try next:') && heard.talk.endsWith('\n')) settle();
    });
    child.once('exit', () => settle());
  });
  const url = /listens on (\S+)/.exec(heard.talk)?.[1] ?? '';
  return { child, exited, heard, url };
}

describe('bootdepot serve', () => {
  test('makes the missing folders, keys for nobody else, and says where everything is and what to try', async () => {
    const { heard, url } = await serve();
    expect((await readdir(folder)).sort()).toEqual(['assets', 'data', 'keys']);
    expect((await stat(join(folder, 'keys'))).mode & 0o777).toBe(0o700);
    for (const name of ['assets', 'keys', 'data']) expect(heard.talk).toContain(join(folder, name));
    const [, command = ''] = /(curl http\S+\/)\n/.exec(heard.talk) ?? [];
    expect(command).toBe(`curl ${url}/`);
    expect((await fetch(url)).status).toBe(200);
    expect(heard.talk).toContain('no signing key yet');
    expect(heard.talk).toMatch(/^ {2}bootdepot key create --name "Rack 7" --email ops@example\.com$/m);
  });

  test('the log is JSON on stdout where that is no terminal, complete when it ends', async () => {
    const { child, exited, heard, url } = await serve();
    await fetch(`${url}/healthz`);
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
    const lines = heard.log
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map((line) => line.msg ?? line.path)).toEqual(['listening', '/healthz', 'stopped']);
  });

  test('a log for eyes says the same in one line a request', async () => {
    await writeFile(join(folder, 'bootdepot.yaml'), 'log: { format: pretty }\n');
    const { child, exited, heard, url } = await serve();
    await fetch(`${url}/healthz`);
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
    expect(heard.log).toMatch(/200 GET \/healthz 3 B in [\d.]+ ms to 127\.0\.0\.1\n/);
    expect(heard.log).not.toContain('"level"');
  });

  test('SIGINT ends it in order while nothing is under way', async () => {
    const { child, exited } = await serve();
    child.kill('SIGINT');
    expect(await exited).toBe(0);
  });

  test('a second signal ends it at once with 130', async () => {
    const { child, exited, heard, url } = await serve();
    await writeFile(join(folder, 'assets', 'large'), Buffer.alloc(64 * 1024 * 1024));
    const reader = (await fetch(`${url}/assets/large`)).body?.getReader();
    await reader?.read();
    child.kill('SIGTERM');
    while (!heard.talk.includes('stopping')) await pause();
    child.kill('SIGTERM');
    expect(await exited).toBe(130);
    await reader?.cancel().catch(() => undefined);
  });

  test('what a killed process left half-written is removed, and nothing else', async () => {
    const deep = join(folder, 'assets', 'a', 'b');
    await mkdir(deep, { recursive: true });
    await writeFile(join(deep, '.bootdepot-999999999-0123456789ab.tmp'), 'half');
    await writeFile(join(deep, '.keep'), '');
    await serve();
    while ((await readdir(deep)).length > 1) await pause();
    expect(await readdir(deep)).toEqual(['.keep']);
  });

  test('--print-config shows every value and its origin as YAML, and starts nothing', async () => {
    await writeFile(join(folder, 'bootdepot.yaml'), 'assets:\n  listing: false\n');
    const { status, stdout } = bootdepot('serve', '--print-config', '--keys', 'k', '--no-sendfile');
    expect(status).toBe(0);
    expect(stdout).toContain('  listing: false # bootdepot.yaml:2\n');
    expect(stdout).toContain('  dir: k # --keys\n');
    expect(stdout).toContain('  sendfile: false # --no-sendfile\n');
    const { config } = await loadConfig({ env: {} });
    expect(Object.keys(parse(stdout))).toEqual(expect.arrayContaining(Object.keys(config)));
    expect(await readdir(folder)).toEqual(['bootdepot.yaml']);
  });
});

describe('bootdepot serve --sign', () => {
  test('signs what is there and what arrives, and shows it in /readyz and /metrics', async () => {
    await testKeyFolder(folder);
    await mkdir(join(folder, 'assets'));
    await writeFile(join(folder, 'assets', 'early:v1.aci'), await image('1.0.0'));
    const { child, exited, heard, url } = await serve('--sign');
    await writeFile(join(folder, 'assets', 'late:v1.aci'), await image('1.0.1'));
    for (const name of ['early', 'late'])
      expect(await signatureOf(`${url}/assets/${name}:v1.aci.asc`)).toContain('PGP SIGNATURE');
    while (!(await text(`${url}/metrics`)).includes('bootdepot_signatures{state="signed"} 2')) await pause();
    expect(JSON.parse(await text(`${url}/readyz`))).toEqual({
      ready: true,
      checks: { assets: 'ok', keys: 'ok', data: 'ok', signing: 'ok' },
      signatures: { signed: 2, pending: 0, refused: 0, failed: 0 },
    });
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
    expect(heard.log).toContain('"action":"signed"');
    expect(heard.log).not.toContain('PRIVATE');
  });

  test('without a key it does not start, and says how to make one', () => {
    const { status, stderr } = bootdepot('serve', '--sign', '--listen', '127.0.0.1:0');
    expect(stderr).toMatch(/^bootdepot: keys has no signing key: make one with bootdepot key create\n$/);
    expect(status).toBe(1);
  });

  test('where a listener fails the signer ends too', async () => {
    await testKeyFolder(folder);
    const { status, stderr } = bootdepot('serve', '--sign', '--listen', '192.0.2.1:0');
    expect(stderr).toBe('bootdepot: 192.0.2.1:0 is not an address of this machine\n');
    expect(status).toBe(1);
  });
});

async function text(url: string): Promise<string> {
  return (await fetch(url)).text();
}

/** A signature, asked for as long as it is being made or its file has not been seen to be quiet. */
async function signatureOf(url: string): Promise<string> {
  for (;;) {
    const answer = await fetch(url);
    expect([200, 202, 404]).toContain(answer.status);
    if (answer.status === 200) return answer.text();
    await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((wake) => setTimeout(wake, 50));
}

describeWith([{ name: '/proc', present: existsSync('/proc/self/status') }], 'memory', () => {
  test('an idle server takes at most 70 MiB', async () => {
    const { child } = await serve();
    await new Promise((wake) => setTimeout(wake, 1_000));
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    const rssKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
    process.stderr.write(`idle RSS: ${(rssKib / 1024).toFixed(1)} MiB\n`);
    expect(rssKib).toBeLessThanOrEqual(70 * 1024);
  });
});

describe('wrong use is one line and a status', () => {
  test.each([
    [['serve', '--frobnicate'], 2, "unknown option '--frobnicate'"],
    [['serve', '--listen', 'nowhere'], 2, '--listen: listen.0: expected host:port'],
    [['serve', '--log-level', 'loud'], 2, '--log-level: log.level: expected one of'],
    [['serve', '--config', 'missing.yaml'], 1, 'missing.yaml does not exist'],
    [['serve', '--listen', 'https://127.0.0.1:0'], 2, 'needs a certificate: set tls.cert and tls.key'],
    [['serve', '--listen', '192.0.2.1:0'], 1, '192.0.2.1:0 is not an address of this machine'],
    [['serve', '--assets', '/dev/null'], 1, '/dev/null is not a folder'],
    [['serve', '--assets', '/proc/nope'], 1, '/proc/nope'],
    [
      ['serve', '--assets', '.'],
      2,
      'the keys in keys lie in the assets folder ., where everything is served',
    ],
    [['serve', '--assets', 'keys'], 2, 'the keys in keys lie in the assets folder keys'],
  ])('%j', (args, status, message) => {
    const result = bootdepot(...args);
    expect(result.stderr).toContain(message);
    expect(result.stderr).not.toContain('    at ');
    expect(result.stdout).toBe('');
    expect(result.status).toBe(status);
  });

  test('a taken port', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const { status, stderr } = bootdepot('serve', '--listen', `127.0.0.1:${port}`);
    other.close();
    expect(stderr).toBe(
      `bootdepot: 127.0.0.1:${port} is taken by another program: stop that one, or choose another with --listen\n`,
    );
    expect(status).toBe(1);
  });
});

test('the help shows an example', () => {
  const { status, stdout } = bootdepot('serve', '--help');
  expect(stdout).toContain('Examples:\n  bootdepot serve\n');
  expect(status).toBe(0);
});
