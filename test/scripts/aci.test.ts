/** The built command, as a person runs it. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { aciManifest, buildAci, buildAciTar } from '../fixtures/aci.js';

const BOOTDEPOT = resolve('dist/scripts/bootdepot.js');
const HYPERKUBE = {
  name: 'quay.io/coreos/hyperkube',
  version: 'v1.3.6_coreos.0',
  files: { hyperkube: 'x'.repeat(2000) },
  members: [{ name: 'rootfs/kubelet', type: '2', linkName: 'hyperkube', mode: 0o777 }],
};
const NAME = 'coreos-hyperkube:v1.3.6_coreos.0.aci';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-aci-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function aci(...args: readonly string[]) {
  const ended = spawnSync(process.execPath, [BOOTDEPOT, 'aci', ...args], { cwd: folder, encoding: 'utf8' });
  return { status: ended.status, out: ended.stdout, talk: ended.stderr };
}

async function put(name: string, spec: Parameters<typeof buildAci>[0]): Promise<void> {
  writeFileSync(join(folder, name), await buildAci(spec));
}

const names = (): string[] => readdirSync(folder).sort();

describe('aci inspect', () => {
  const digest = createHash('sha512').update(buildAciTar(HYPERKUBE)).digest('hex');

  test('prints the image ID as it is and as rkt prints it, the manifest and a table of the entries', async () => {
    await put('a.aci', HYPERKUBE);
    const { status, out, talk } = aci('inspect', 'a.aci');
    expect({ status, talk }).toEqual({ status: 0, talk: '' });
    expect(out).toContain(`image ID     sha512-${digest}\n`);
    expect(out).toContain(
      `rkt prints   sha512-${digest.slice(0, 32)}, with --full sha512-${digest.slice(0, 64)}\n`,
    );
    expect(out).toContain('compression  gzip\n');
    expect(out).toContain(JSON.stringify(aciManifest(HYPERKUBE), null, 2));
    expect(out).toMatch(/\nTYPE {12} {2}MODE {10}SIZE {2}NAME\n/);
    expect(out).toMatch(/\nfile {12} {2}0644 {10}2000 {2}rootfs\/hyperkube\n/);
    expect(out).toMatch(/\nsymlink {9} {2}0777 {13}0 {2}rootfs\/kubelet -> hyperkube\n$/);
  });

  test('leaves the table out, or gives it all as JSON', async () => {
    await put('a.aci', HYPERKUBE);
    expect(aci('inspect', '--no-entries', 'a.aci').out).not.toContain('rootfs/kubelet');
    const { path, imageId, manifest, entries } = JSON.parse(aci('inspect', '--json', 'a.aci').out);
    expect({ path, manifest, id: imageId.id }).toEqual({
      path: 'a.aci',
      manifest: aciManifest(HYPERKUBE),
      id: `sha512-${digest}`,
    });
    expect(entries).toHaveLength(4);
    expect(JSON.parse(aci('inspect', '--json', '--no-entries', 'a.aci').out)).not.toHaveProperty('entries');
  });

  test('shows a broken manifest with what is wrong, and nothing that moves the cursor', async () => {
    await put('a.aci', { name: 'Bad', manifest: { note: '\u009b2J\u202e' } });
    const { status, out, talk } = aci('inspect', 'a.aci');
    expect(status).toBe(0);
    expect(out).toContain('"note": "\\u009b2J\\u202e"');
    expect(talk).toContain('a.aci: manifest: name: is "Bad", expected an AC identifier');
  });

  test('says in one line why a file is no image', () => {
    writeFileSync(join(folder, 'a.aci'), '<html>');
    expect(aci('inspect', 'a.aci')).toEqual({
      status: 1,
      out: '',
      talk: 'bootdepot: a.aci: neither compressed nor a ustar archive, expected a tar, plain or with gzip, bzip2 or xz\n',
    });
    expect(aci('inspect', 'gone.aci')).toEqual({
      status: 1,
      out: '',
      talk: 'bootdepot: gone.aci does not exist\n',
    });
    expect(aci('inspect').status).toBe(2);
  });
});

describe('aci validate', () => {
  const labels = { os: 'linux', arch: 'amd64' };

  test('takes good images', async () => {
    await put('a.aci', { ...HYPERKUBE, labels });
    await put('b.aci', { version: 'v1', labels, compression: 'none' });
    expect(aci('validate', 'a.aci', 'b.aci')).toEqual({
      status: 0,
      out: 'valid       a.aci\nvalid       b.aci\n2 files: 2 valid\n',
      talk: '',
    });
  });

  test('prints every problem of every file', async () => {
    await put('good.aci', { version: 'v1', labels });
    await put('bad.aci', { name: 'Bad', members: [{ name: 'etc' }] });
    const { status, out, talk } = aci('validate', 'good.aci', 'bad.aci', 'gone.aci');
    expect({ status, talk }).toEqual({ status: 1, talk: 'bootdepot: 2 of 3 files are not valid\n' });
    expect(out.split('\n')).toEqual([
      'valid       good.aci',
      expect.stringMatching(/^invalid {5}bad\.aci: manifest: name: is "Bad"/),
      expect.stringMatching(/^invalid {5}bad\.aci: etc: is outside of the layout/),
      'invalid     gone.aci does not exist',
      '3 files: 1 valid, 2 invalid',
      '',
    ]);
    const { files, totals } = JSON.parse(aci('validate', '--json', 'good.aci', 'bad.aci').out);
    expect(files).toEqual([
      {
        path: 'good.aci',
        valid: true,
        problems: [],
        warnings: [],
        compression: 'gzip',
        name: 'example.com/app',
      },
      {
        path: 'bad.aci',
        valid: false,
        warnings: [],
        problems: [expect.any(String), expect.any(String)],
        compression: 'gzip',
      },
    ]);
    expect(totals).toEqual({ valid: 1, invalid: 1 });
  });
});

test('aci validate warns of what keeps some clients away, and takes it', async () => {
  await put('a.aci', { version: 'v1' });
  const { status, out, talk } = aci('validate', 'a.aci');
  expect({ status, out }).toEqual({ status: 0, out: 'valid       a.aci\n1 file: 1 valid\n' });
  expect(talk).toMatch(/^warning {5}a\.aci: no label os, arch: /);
});

describe('aci rename', () => {
  beforeEach(async () => {
    await put('old.aci', HYPERKUBE);
    writeFileSync(join(folder, 'old.aci.asc'), 'signature');
  });

  test('gives the colon name, with the signature', () => {
    const line = `old.aci: ${NAME}, with its signature\n`;
    expect(aci('rename', '--dry-run', 'old.aci').out).toBe(`would rename ${line}1 file: 1 planned\n`);
    expect(names()).toEqual(['old.aci', 'old.aci.asc']);
    expect(aci('rename', 'old.aci')).toEqual({
      status: 0,
      out: `renamed     ${line}1 file: 1 renamed\n`,
      talk: '',
    });
    expect(names()).toEqual([NAME, `${NAME}.asc`]);
    expect(aci('rename', NAME).out).toBe(`unchanged   ${NAME}\n1 file: 1 unchanged\n`);
  });

  test('ends with 3 if some failed, with 1 if all did', async () => {
    await put('same.aci', { ...HYPERKUBE, files: {} });
    const { status, out, talk } = aci('rename', 'old.aci', 'same.aci');
    expect({ status, talk }).toEqual({ status: 3, talk: 'bootdepot: 1 of 2 files could not be renamed\n' });
    expect(out).toContain(`failed      same.aci: ${NAME} exists and is another file, expected a free name`);
    const again = aci('rename', '--json', 'same.aci');
    expect(again.status).toBe(1);
    expect(JSON.parse(again.out).files).toEqual([
      {
        from: 'same.aci',
        to: null,
        status: 'failed',
        signed: false,
        code: 'FILE_EXISTS',
        reason: expect.any(String),
      },
    ]);
    expect(names()).toEqual([NAME, `${NAME}.asc`, 'same.aci']);
  });
});

test('every verb has help with an example', () => {
  for (const verb of ['inspect', 'validate', 'rename']) {
    const { status, out } = aci(verb, '--help');
    expect({ status, out }).toEqual({
      status: 0,
      out: expect.stringContaining(`\n  bootdepot aci ${verb} `),
    });
  }
});
