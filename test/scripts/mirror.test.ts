/** The command `mirror`, as a person runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { bootdepot, type EndedCommand } from '../fixtures/command.js';
import { imageOf } from '../fixtures/registry-client.js';
import { startUpstream, type UpstreamRegistry } from '../fixtures/upstream-registry.js';

let folder: string;
let upstream: UpstreamRegistry;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-mirror-command-'));
  upstream = await startUpstream();
  upstream.put('team/app', 'v1', imageOf(['a layer']));
});
afterEach(async () => {
  await upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Beside us, because the upstream answers from here. */
async function mirror(input: string, ...args: string[]): Promise<EndedCommand> {
  const command = [resolve('dist/scripts/bootdepot.js'), 'mirror', ...args];
  const child = spawn(process.execPath, command, { cwd: folder, env: { PATH: process.env.PATH } });
  let [out, talk] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    talk += chunk.toString();
  });
  child.stdin.end(input);
  const [status] = await once(child, 'close');
  return { status, out, talk };
}

test('a rendered chart on standard input; what failed is a list for the next run', async () => {
  const pod = (image: string) =>
    `---\napiVersion: v1\nkind: Pod\nspec: { containers: [{ image: "${upstream.host}/${image}" }] }\n`;
  const flags = ['--rename', 'basename', '--failed', 'failed.txt'];
  const first = await mirror(`${pod('team/app:v1')}${pod('team/late:v1')}`, '--from', '-', ...flags);
  expect(first.status).toBe(3);
  expect(first.talk).toBe('bootdepot: 1 of 2 images could not be mirrored\n');
  expect(first.out).toMatch(/^new {9}app:v1: 7[0-9] B$/m);
  expect(first.out).toMatch(/^failed {6}late:v1: its registry has no .*team\/late:v1$/m);
  expect(first.out).toMatch(/^2 images: 1 new, 1 failed$/m);

  upstream.put('team/late', 'v1', imageOf(['a late layer']));
  const second = await mirror('', '--from', 'failed.txt', ...flags, '--json');
  expect(JSON.parse(second.out).images).toMatchObject([
    { source: `${upstream.host}/team/late:v1`, target: 'late:v1', status: 'new' },
  ]);
  expect(second.status).toBe(0);
  expect(readFileSync(join(folder, 'failed.txt'), 'utf8')).toBe('');
});

test('it goes on until it is stopped with --watch, and reads its list anew', async () => {
  const list = join(folder, 'list.txt');
  writeFileSync(list, `${upstream.host}/team/app:v1\n`);
  const command = [resolve('dist/scripts/bootdepot.js'), 'mirror', '--from', list, '--watch', '50ms'];
  const child = spawn(process.execPath, command, { cwd: folder, env: { PATH: process.env.PATH } });
  let out = '';
  const closed = once(child, 'close');
  for await (const chunk of child.stdout) {
    out += String(chunk);
    if (/1 unchanged/.test(out)) writeFileSync(list, `${upstream.host}/team/other:v1\n`);
    if (/failed/.test(out) && !child.killed) child.kill('SIGTERM');
  }
  expect((await closed)[0]).toBe(0);
  expect(out).toMatch(/1 new[\s\S]*1 unchanged[\s\S]*1 failed/);
});

test.each([
  [[], 'no images: name some'],
  [['a:v1', '--platform', 'linux'], 'platform: expected os/arch'],
  [['a:v1', '--list-format', 'xml'], '--list-format: expected one of plain'],
  [['a:v1', '--to', 'ftp://x'], '--to: expected oci:DIR'],
  [['--from', '-', '--watch', '6h'], '--watch reads its list anew'],
])('%j is wrong use', (args, message) => {
  const { status, talk } = bootdepot(folder, ['mirror', ...args]);
  expect(talk).toContain(message);
  expect(status).toBe(2);
});
