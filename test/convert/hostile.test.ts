/** Images that lie, attack, or end too early; and what is left behind then: nothing (section 7, checks 11 and 12). */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { DEFAULT_LIMITS } from '../../server/convert/limits.js';
import { isTemporaryName } from '../../server/disk/atomic-file.js';
import type { ImageSource } from '../../server/index.js';
import { convertImage } from '../../server/index.js';
import { parseDigest } from '../../server/oci/digest.js';
import { bootdepot } from '../fixtures/command.js';
import { memoryLayer, memorySource } from '../fixtures/memory-image.js';
import { writeLayout } from '../fixtures/oci-layout.js';
import { buildTar, type TarMember, tarMember } from '../fixtures/tar.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-hostile-'));
  path = join(folder, 'image.aci');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const tar = (...names: string[]): Buffer =>
  buildTar(names.map((name): TarMember => ({ name, content: 'x'.repeat(2000) })));

/** Must fail, with a code and words, and leave the old file and nothing else. */
async function refused(source: ImageSource, message: RegExp, limits = DEFAULT_LIMITS): Promise<void> {
  writeFileSync(path, 'old');
  await expect(convertImage(source, { path, limits })).rejects.toMatchObject({
    code: 'IMAGE_INVALID',
    message: expect.stringMatching(message),
  });
  expect(readdirSync(folder)).toEqual(['image.aci']);
  expect(readFileSync(path, 'utf8')).toBe('old');
}

test('11. a layer with another digest', async () => {
  const layer = { ...memoryLayer(tar('a')), digest: parseDigest(`sha256:${'1'.repeat(64)}`) };
  await refused(
    memorySource({ layers: [], source: { layers: [layer] } }),
    /has the digest sha256:.*expected sha256:1111/,
  );
});

test.each([-1, 1])('11. a layer whose size differs by %i', async (difference) => {
  const bytes = gzipSync(tar('a'));
  const layer = { ...memoryLayer(bytes), size: bytes.length + difference };
  await refused(memorySource({ layers: [], source: { layers: [layer] } }), /bytes/);
});

test('11. a layer that is something else uncompressed than the config says', async () => {
  const config = { rootfs: { type: 'layers', diff_ids: [`sha256:${'2'.repeat(64)}`] } };
  await refused(memorySource({ layers: [tar('a')], config }), /uncompressed, expected sha256:2222/);
  const another = { rootfs: { diff_ids: ['sha256:1', 'sha256:2'] } };
  await convertImage(memorySource({ layers: [tar('a')], config: another }), { path });
});

test('11. a layer that changes between the two passes', async () => {
  let opened = 0;
  const contents = [tar('a'), tar('b')];
  const layer = {
    ...memoryLayer(tar('a')),
    digest: undefined,
    async *open() {
      yield contents[opened++] ?? Buffer.alloc(0);
    },
  };
  await refused(memorySource({ layers: [], source: { layers: [layer] } }), /changed while it was being read/);
});

test('a layer cut anywhere is refused, and so is one with a byte changed', async () => {
  const whole = gzipSync(tar('a', 'b'));
  for (let cut = 1; cut < whole.length; cut += 9) {
    const cutLayer = memorySource({ layers: [whole.subarray(0, cut)] });
    await expect(convertImage(cutLayer, { path })).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  }
  const plain = tar('a', 'b');
  // At these places something is missing: within a header, and within data. Between entries nothing is.
  for (const cut of [1, 511, 513, 600, 2000, 2559, 3073, 4000]) {
    const cutLayer = memorySource({ layers: [plain.subarray(0, cut)] });
    await expect(convertImage(cutLayer, { path })).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  }
  expect(readdirSync(folder)).toEqual([]);
});

test('bombs: more bytes, entries, names or text than the limits, or an impossible ratio', async () => {
  const zeros = gzipSync(buildTar([{ name: 'a', content: Buffer.alloc(3_000_000) }]));
  const source = memorySource({ layers: [zeros] });
  await refused(source, /more than 1000000 bytes/, { ...DEFAULT_LIMITS, size: 1_000_000 });
  await refused(source, /more than 100 times/, { ...DEFAULT_LIMITS, ratio: 100, ratioFrom: 1000 });
  const many = memorySource({ layers: [tar('a', 'b/c/d/e', 'f')] });
  await refused(many, /more than 2 entries/, { ...DEFAULT_LIMITS, entries: 2 });
  await refused(many, /more than 4 names/, { ...DEFAULT_LIMITS, names: 4 });
  await refused(many, /more than 5 bytes of names/, { ...DEFAULT_LIMITS, text: 5 });
});

test('a path that Linux could not name', async () => {
  const member = (length: number): TarMember => ({
    name: 'x',
    pax: { path: `${'d/'.repeat(length / 2 - 1)}ff` },
  });
  await convertImage(memorySource({ layers: [buildTar([member(4088)])] }), { path });
  await refused(memorySource({ layers: [buildTar([member(4090)])] }), /longer than 4088 bytes/);
  await refused(
    memorySource({ layers: [buildTar([{ name: 's', type: '2', pax: { linkpath: 'x'.repeat(5000) } }])] }),
    /longer/,
  );
});

test('a header without end', async () => {
  const endless = Buffer.concat([
    tarMember({ name: 'x', type: 'x', size: 2 ** 33 }),
    Buffer.alloc(4096, 'x'),
  ]);
  await refused(memorySource({ layers: [endless] }), /larger than 1 MiB/);
});

test('an error of the source comes through as it is', async () => {
  const layer = {
    ...memoryLayer(tar('a')),
    async *open(): AsyncGenerator<Uint8Array> {
      yield tar('a').subarray(0, 700);
      throw new Error('connection reset');
    },
  };
  const source = memorySource({ layers: [], source: { layers: [layer] } });
  await expect(convertImage(source, { path })).rejects.toMatchObject({
    code: 'IO_FAILED',
    message: expect.stringContaining('connection reset'),
  });
  expect(readdirSync(folder)).toEqual([]);
});

test('a signal ends the work, and nothing is left', async () => {
  const stop = new AbortController();
  const layer = {
    ...memoryLayer(tar('a')),
    digest: undefined,
    size: undefined,
    async *open(): AsyncGenerator<Uint8Array> {
      yield tar('a');
      stop.abort();
      for (;;) yield Buffer.alloc(4096);
    },
  };
  const source = memorySource({ layers: [], source: { layers: [layer] } });
  await expect(convertImage(source, { path, signal: stop.signal })).rejects.toMatchObject({
    code: 'INTERRUPTED',
  });
  expect(readdirSync(folder)).toEqual([]);
});

test('a disk that is full leaves nothing', async () => {
  const layout = writeLayout(join(folder, 'layout'), {
    layers: [buildTar([{ name: 'a', content: Buffer.alloc(4_000_000, 'full') }])],
  });
  const out = join(folder, 'out');
  mkdirSync(out);
  const program = resolve('dist/scripts/bootdepot.js');
  const line = `ulimit -f 1000; exec ${process.execPath} ${program} convert oci:${layout} --to ${out} --compress none --no-sign`;
  const child = spawn('sh', ['-c', `trap '' XFSZ; ${line}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  const talk = textOf(child);
  const [status] = await once(child, 'exit');
  expect({ status, talk: await talk }).toEqual({
    status: 1,
    talk: expect.stringContaining('file size limit'),
  });
  expect(readdirSync(out)).toEqual([]);
});

test('killed at any time it leaves nothing visible, and the next run succeeds', async () => {
  const layers = [1, 2].map((part) =>
    buildTar([{ name: `file-${part}`, content: Buffer.alloc(8_000_000, `${part} `) }]),
  );
  writeLayout(join(folder, 'layout'), { layers });
  mkdirSync(join(folder, 'assets'));
  for (const waitMs of [250, 400, 600, 900]) {
    const program = resolve('dist/scripts/bootdepot.js');
    const args = [program, 'convert', 'oci:layout', '--no-sign', '--level', '9', '--name', 'image'];
    const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore' });
    const ended = once(child, 'exit');
    await new Promise((wake) => setTimeout(wake, waitMs));
    child.kill('SIGKILL');
    await ended;
    const visible = readdirSync(join(folder, 'assets')).filter((name) => !isTemporaryName(name));
    if (child.exitCode === null) expect(visible).toEqual([]);
    else rmSync(join(folder, 'assets/image.aci'));
  }
  expect(bootdepot(folder, ['convert', 'oci:layout', '--no-sign', '--name', 'image'])).toMatchObject({
    status: 0,
  });
  expect(readdirSync(join(folder, 'assets'))).toEqual(['image.aci']);
  expect(existsSync(join(folder, 'assets/image.aci'))).toBe(true);
});

async function textOf(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const part of child.stderr ?? []) text += String(part);
  return text;
}
