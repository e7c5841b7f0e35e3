/** `bootdepot convert` as a person runs it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type ConvertFlags, parseConvertFlags } from '../../scripts/convert-options.js';
import { outcomeOf } from '../../server/errors.js';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { writeLayout } from '../fixtures/oci-layout.js';
import { buildTar } from '../fixtures/tar.js';
import { testKeyFolder } from '../fixtures/test-key.js';

const NAME = 'quay.io/coreos/hyperkube:v1.3.6_coreos.0';
const FILE = 'coreos-hyperkube:v1.3.6_coreos.0.aci';
const ID = /sha512-[0-9a-f]{128}/;

let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-convert-'));
  await testKeyFolder(folder);
  layout('1');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const layout = (content: string) =>
  writeLayout(join(folder, 'image'), {
    layers: [buildTar([{ name: 'file', content }])],
    config: { config: {} },
  });
const convert = (...args: string[]) => bootdepot(folder, ['convert', ...args]);
const files = (): string[] => readdirSync(join(folder, 'assets')).sort();
const bytesOf = (name: string): Buffer => readFileSync(join(folder, 'assets', name));

test('an image becomes a signed ACI with its colon name, and its ID is said', () => {
  const { status, out, talk } = convert('oci:image', '--name', NAME);
  expect({ status, talk }).toEqual({ status: 0, talk: '' });
  expect(out).toMatch(new RegExp(`^converted +assets/${FILE}: ${ID.source}\n$`));
  expect(files()).toEqual([FILE, `${FILE}.asc`]);
  expect(mustBootdepot(folder, ['verify'])).toContain(`good        assets/${FILE}\n`);
  expect(mustBootdepot(folder, ['aci', 'inspect', `assets/${FILE}`])).toContain(ID.exec(out)?.[0] ?? 'none');
  expect(mustBootdepot(folder, ['aci', 'rename', `assets/${FILE}`])).toContain('1 unchanged');
});

test('the same image again is already there, and nothing is touched', () => {
  const first = mustBootdepot(folder, ['convert', 'oci:image', '--name', NAME]);
  const before = files().map((name) => statSync(join(folder, 'assets', name)).mtimeMs);
  const again = mustBootdepot(folder, ['convert', 'oci:image', '--name', NAME]);
  expect(again).toMatch(/^already there/);
  expect(ID.exec(again)?.[0]).toBe(ID.exec(first)?.[0]);
  expect(files().map((name) => statSync(join(folder, 'assets', name)).mtimeMs)).toEqual(before);
  rmSync(join(folder, 'assets', `${FILE}.asc`));
  expect(mustBootdepot(folder, ['convert', 'oci:image', '--name', NAME])).toMatch(/^already there/);
  expect(mustBootdepot(folder, ['verify'])).toContain('1 good');
});

test('another image under the same name replaces file and signature', () => {
  mustBootdepot(folder, ['convert', 'oci:image', '--name', NAME]);
  const before = bytesOf(FILE);
  layout('2');
  expect(mustBootdepot(folder, ['convert', 'oci:image', '--name', NAME])).toMatch(/^converted/);
  expect(bytesOf(FILE).equals(before)).toBe(false);
  expect(mustBootdepot(folder, ['verify'])).toContain('1 good');
  layout('3');
  mustBootdepot(folder, ['convert', 'oci:image', '--name', NAME, '--no-sign']);
  expect(files()).toEqual([FILE]);
});

test('a file name that belongs to another image, or to no image, is not taken', () => {
  mustBootdepot(folder, ['convert', 'oci:image', '--name', NAME]);
  const other = convert('oci:image', '--name', NAME.replace('quay.io', 'gcr.io'));
  expect(other).toMatchObject({
    status: 1,
    talk: expect.stringContaining('is the image quay.io/coreos/hyperkube'),
  });
  writeFileSync(join(folder, 'assets/text.aci'), 'text');
  expect(convert('oci:image', '--name', 'text')).toMatchObject({
    status: 1,
    talk: expect.stringContaining('is no ACI'),
  });
  expect(bytesOf('text.aci').toString()).toBe('text');
});

test('names: of the layout, of docker2aci, of the file alone; another folder', () => {
  mustBootdepot(folder, ['convert', 'oci:image', '--no-sign']);
  mustBootdepot(folder, ['convert', 'oci:image', '--no-sign', '--docker2aci-names']);
  mustBootdepot(folder, ['convert', 'oci:image', '--no-sign', '--name', 'other:v1']);
  expect(files()).toEqual(['image-latest.aci', 'image:latest.aci', 'other:v1.aci']);
  expect(bytesOf('other:v1.aci').equals(bytesOf('image:latest.aci'))).toBe(true);
  mustBootdepot(folder, ['convert', 'oci:image', '--no-sign', '--to', 'far/away']);
  expect(readdirSync(join(folder, 'far/away'))).toEqual(['image:latest.aci']);
});

test('compression and level change the file, not the ID', () => {
  const ids = [
    ['--compress', 'none'],
    ['--level', '1'],
    ['--level', '9'],
  ].map((form, index) => {
    const out = mustBootdepot(folder, ['convert', 'oci:image', '--no-sign', '--name', `n${index}`, ...form]);
    return ID.exec(out)?.[0];
  });
  expect(new Set(ids).size).toBe(1);
  expect(bytesOf('n0.aci').subarray(0, 8).toString()).toBe('manifest');
  expect(bytesOf('n1.aci').subarray(0, 2).toString('hex')).toBe('1f8b');
});

test('for scripts there is one JSON document; some failed is exit 3', () => {
  const { status, out, talk } = convert('oci:image', 'oci:nothing', '--json');
  expect({ status, talk }).toEqual({ status: 3, talk: 'bootdepot: 1 of 2 images could not be converted\n' });
  expect(JSON.parse(out)).toEqual({
    images: [
      {
        image: 'oci:image',
        status: 'converted',
        path: 'assets/image:latest.aci',
        signature: 'assets/image:latest.aci.asc',
        imageId: { id: expect.stringMatching(ID), full: expect.anything(), short: expect.anything() },
        size: bytesOf('image:latest.aci').length,
      },
      {
        image: 'oci:nothing',
        status: 'failed',
        code: 'NOT_FOUND',
        reason: expect.stringContaining('nothing'),
      },
    ],
  });
});

test.each([
  [['oci:image', '--nosquash'], 2, 'left out'],
  [['oci:image', '--platform', 'linux/arm64'], 1, 'no image for linux/arm64'],
  [['ftp://image'], 2, 'expected oci:DIR'],
  [['oci:image', '--keys', 'none'], 1, 'no signing key'],
])('%j ends with %i', (args, status, talk) => {
  expect(convert(...args)).toMatchObject({ status, out: '', talk: expect.stringContaining(talk) });
});

// What the command does with such an error is seen above; a process for each would take a second.
test.each<[readonly string[], Partial<ConvertFlags>, string]>([
  [['oci:image'], { nosquash: true }, 'left out'],
  [['oci:image'], { level: '0' }, '--level'],
  [['oci:image'], { compress: 'xz' }, '--compress'],
  [['oci:image'], { platform: 'linux' }, 'os/arch'],
  [['oci:image'], { name: '../x' }, 'host'],
  [['oci:image'], { name: '.x' }, '--name'],
  [['oci:image', 'oci:image'], { name: 'x' }, 'one image'],
  [[], {}, 'missing required argument'],
])('%j with %j is wrong use', (images, flags, message) => {
  expect.assertions(2);
  try {
    parseConvertFlags(images, { sign: true, ...flags });
  } catch (error) {
    expect(outcomeOf(error).exit).toBe(2);
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
  }
});

test('what appc cannot say is told', () => {
  writeLayout(join(folder, 'image'), {
    layers: [buildTar([{ name: 'a' }])],
    config: { config: { Env: ['1=x'] } },
  });
  expect(convert('oci:image', '--no-sign')).toMatchObject({
    status: 0,
    talk: expect.stringContaining('warning: oci:image: left out the variable "1=x"'),
  });
});

test('a list of images: a line for each, a total, several at once, exit 3 if some failed', () => {
  writeLayout(join(folder, 'second'), { layers: [buildTar([{ name: 'x' }])] });
  writeFileSync(join(folder, 'images.txt'), '# all\n\noci:image # first\r\n  oci:second\noci:nothing\n');
  const { status, out, talk } = convert('--from', 'images.txt', '--jobs', '2', '--no-sign');
  expect({ status, talk }).toEqual({ status: 3, talk: 'bootdepot: 1 of 3 images could not be converted\n' });
  expect(out.trimEnd().split('\n').slice(0, 3).sort()).toEqual([
    expect.stringMatching(/^converted +assets\/image:latest\.aci/),
    expect.stringMatching(/^converted +assets\/second:latest\.aci/),
    expect.stringMatching(/^failed +oci:nothing/),
  ]);
  expect(out).toMatch(/\n3 files: 2 converted, 1 failed\n$/);
  const json = JSON.parse(convert('--from', 'images.txt', '--no-sign', '--json').out);
  expect(json.images.map((one: { status: string }) => one.status)).toEqual([
    'already there',
    'already there',
    'failed',
  ]);
});

test('the limits are those of the configuration', () => {
  writeFileSync(join(folder, 'bootdepot.yaml'), 'convert: { limits: { size: 1KiB } }\n');
  expect(convert('oci:image', '--no-sign')).toMatchObject({
    status: 1,
    talk: expect.stringContaining('more than 1024 bytes uncompressed (convert.limits.size)'),
  });
  expect(readdirSync(join(folder, 'assets'))).toEqual([]);
});
