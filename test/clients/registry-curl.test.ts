/** curl against the registry: uploads in chunks, uploads that were cut, and blobs beyond 4 GiB. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOf, RegistryClient } from '../fixtures/registry-client.js';
import { type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { describeWith } from './programs.js';

const GIB = 1024 ** 3;

/** Of 5 GiB of nothing with the marks in it; the server reads it all before it gives out a range. */
const LARGE = '285e906711fce6bb1715a073ae10bc7441844671cd5f2ba3cefb8aeb47cea349';

describeWith(['curl'], 'curl pushes and pulls blobs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bootdepot-registry-curl-'));
  const layer = join(folder, 'layer');
  const bytes = randomBytes(8_000_000);
  let depot: RunningDepot;
  let client: RegistryClient;

  beforeAll(async () => {
    writeFileSync(layer, bytes);
    depot = await startDepot([
      '--assets',
      join(folder, 'a'),
      '--keys',
      join(folder, 'k'),
      '--data',
      join(folder, 'd'),
    ]);
    client = new RegistryClient(depot.url);
  });
  afterAll(async () => {
    await depot?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const curl = (...args: string[]): string =>
    execFileSync('curl', ['-sS', '--fail', ...args], { encoding: 'utf8' });
  const put = ['-X', 'PUT', '-H', 'Content-Type: application/octet-stream', '-w', '%{http_code}'];
  const standing = async (location: string): Promise<number> => {
    const range = (await client.get(location)).headers.get('range') ?? '';
    return Number(range.split('-')[1]) + 1;
  };

  test('in one stream without a length', async () => {
    const location = depot.url + (await client.begin('curl/stream'));
    const chunked = ['-X', 'PATCH', '-H', 'Transfer-Encoding: chunked', '-T', layer, '-w', '%{http_code}'];
    expect(curl(...chunked, location)).toBe('202');
    expect(curl(...put, `${location}?digest=${digestOf(bytes)}`)).toBe('201');
    curl('-o', join(folder, 'back'), `${depot.url}/v2/curl/stream/blobs/${digestOf(bytes)}`);
    execFileSync('cmp', [layer, join(folder, 'back')]);
  });

  test('and goes on where the connection was cut', async () => {
    const path = await client.begin('curl/cut');
    const slow: ChildProcess = spawn(
      'curl',
      [
        '-sS',
        '-X',
        'PATCH',
        '--limit-rate',
        '4M',
        '-H',
        'Transfer-Encoding: chunked',
        '-T',
        layer,
        depot.url + path,
      ],
      { stdio: 'ignore' },
    );
    await new Promise((wake) => setTimeout(wake, 800));
    slow.kill('SIGKILL');
    await once(slow, 'exit');
    let offset = await standing(path);
    for (let tries = 0; tries < 50; tries += 1) {
      await new Promise((wake) => setTimeout(wake, 50));
      const now = await standing(path);
      if (now > 1 && now === offset) break;
      offset = now;
    }
    expect(offset).toBeGreaterThan(1);
    expect(offset).toBeLessThan(bytes.length);
    const rest = join(folder, 'rest');
    writeFileSync(rest, bytes.subarray(offset));
    const range = `Content-Range: ${offset}-${bytes.length - 1}`;
    const query = `?digest=${digestOf(bytes)}`;
    expect(curl(...put, '-H', range, '-T', rest, `${depot.url}${path}${query}`)).toBe('201');
    curl('-o', join(folder, 'back'), `${depot.url}/v2/curl/cut/blobs/${digestOf(bytes)}`);
    execFileSync('cmp', [layer, join(folder, 'back')]);
  });

  // The file is laid into the folder: a push would write and sync 5 GiB for what the ranges alone can show.
  test('of 5 GiB by ranges beyond 4 GiB', async () => {
    const marks = [0, 4 * GIB - 3, 4 * GIB + 7, 5 * GIB - 6].map((at) => ({
      at,
      text: `at ${at % 97}`.padEnd(6),
    }));
    const sparse = join(folder, 'sparse');
    writeFileSync(sparse, '');
    truncateSync(sparse, 5 * GIB);
    const file = openSync(sparse, 'r+');
    for (const { at, text } of marks) writeSync(file, text, at);
    const hex = LARGE;
    const digest = `sha256:${hex}`;
    const root = join(folder, 'd/registry/docker/registry/v2');
    const data = join(root, 'blobs/sha256', hex.slice(0, 2), hex, 'data');
    const link = join(root, 'repositories/curl/large/_layers/sha256', hex, 'link');
    for (const path of [data, link]) mkdirSync(dirname(path), { recursive: true });
    writeFileSync(link, digest);
    execFileSync('mv', [sparse, data]);
    const url = `${depot.url}/v2/curl/large/blobs/${digest}`;
    expect(curl('-I', url)).toMatch(new RegExp(`^content-length: ${5 * GIB}\r$`, 'im'));
    for (const { at, text } of marks) {
      expect(curl('-r', `${at}-${at + text.length - 1}`, url)).toBe(text);
    }
    expect(curl('-r', '-6', url)).toBe(marks.at(-1)?.text);
    rmSync(data);
  }, 120_000);
});
