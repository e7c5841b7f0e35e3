/** curl against a running depot: it resumes, ranges and compares as against any good file server. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { describeWith } from './programs.js';

const NAME = 'coreos-hyperkube:v1.3.6_coreos.0.aci';

describeWith(['curl'], 'curl', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bootdepot-curl-'));
  const bytes = randomBytes(3_000_000);
  const target = join(folder, 'downloaded');
  let depot: RunningDepot;
  let url: string;

  beforeAll(async () => {
    mkdirSync(join(folder, 'assets'));
    writeFileSync(join(folder, 'assets', NAME), bytes);
    depot = await startDepot(['--assets', join(folder, 'assets'), '--keys', join(folder, 'keys')]);
    url = `${depot.url}/assets/${NAME}`;
  });

  afterAll(async () => {
    await depot?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const curl = (...args: string[]): string =>
    execFileSync('curl', ['-sS', '--fail', ...args], { encoding: 'utf8' });

  test('downloads by the literal colon and by %3A', () => {
    for (const form of [url, url.replace(`/${NAME}`, `/${NAME.replace(':', '%3A')}`)]) {
      curl('-o', target, form);
      expect(readFileSync(target).equals(bytes)).toBe(true);
    }
  });

  test('resumes where it stopped', () => {
    writeFileSync(target, bytes.subarray(0, 1_234_567));
    const downloaded = curl('-C', '-', '-w', '%{size_download} %{http_code}', '-o', target, url);
    expect(downloaded).toBe(`${bytes.length - 1_234_567} 206`);
    expect(readFileSync(target).equals(bytes)).toBe(true);
  });

  test('has nothing to resume when the file is complete', () => {
    writeFileSync(target, bytes);
    const result = spawnSync('curl', ['-sS', '-C', '-', '-w', '%{http_code}', '-o', target, url], {
      encoding: 'utf8',
    });
    expect(result.stdout).toBe('416');
    expect(statSync(target).size).toBe(bytes.length);
  });

  test.each([
    ['0-9', 0, 10],
    ['2999990-', 2_999_990, 3_000_000],
    ['-5', 2_999_995, 3_000_000],
  ])('takes the range %s', (range, start, end) => {
    curl('-r', range, '-o', target, url);
    expect(readFileSync(target).equals(bytes.subarray(start, end))).toBe(true);
  });

  test('compares by ETag and by time', () => {
    const tag = join(folder, 'tag');
    rmSync(tag, { force: true });
    const compare = ['--etag-compare', tag, '--etag-save', tag, '-w', '%{http_code}', '-o', target, url];
    writeFileSync(tag, '');
    expect(curl(...compare)).toBe('200');
    expect(curl(...compare)).toBe('304');
    curl('-R', '-o', target, url);
    expect(curl('-z', target, '-w', '%{http_code}', '-o', '/dev/null', url)).toBe('304');
  });

  test('several files over one connection stay in step', () => {
    const twice = [url, '-o', '/dev/null', url, '-o', target];
    const connections = curl('-w', '%{num_connects} ', '-o', '/dev/null', ...twice)
      .trim()
      .split(' ');
    expect(connections).toEqual(['1', '0', '0'].slice(0, connections.length));
    expect(readFileSync(target).equals(bytes)).toBe(true);
  });
});
