import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DepotError, rktPath, writeRktTree } from '../../server/index.js';
import { loadTestKey } from '../fixtures/test-key.js';

const FINGERPRINT = 'BBC715E9FEE48A3C49CF9987B00642C1B9399657';
const FILE = FINGERPRINT.toLowerCase();

test('a certificate lies in root.d, or below its prefix, under 40 lower-case digits', () => {
  expect(rktPath(FINGERPRINT)).toBe(`root.d/${FILE}`);
  expect(rktPath(FINGERPRINT, 'quay.io/coreos')).toBe(`prefix.d/quay.io/coreos/${FILE}`);
  expect(rktPath(FINGERPRINT, 'depot.lan')).toBe(`prefix.d/depot.lan/${FILE}`);
});

test.each([
  '',
  'https://quay.io',
  'quay.io:443',
  'quay.io/*',
  '/quay.io',
  'quay.io/',
  'quay.io//coreos',
  '..',
  'quay.io/../root',
  'Quay.io',
  'quay.io/ä',
  'quay.io\n',
])('%j is no prefix', (prefix) => {
  expect(() => rktPath(FINGERPRINT, prefix)).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test('no prefix leads out of its folder', () => {
  const marks = fc.constantFrom('a', '0', '-', '.', '_', '~', '/', '..', '\\', '%2e');
  const property = fc.property(fc.array(marks, { maxLength: 8 }), (parts) => {
    try {
      const path = rktPath(FINGERPRINT, parts.join(''));
      expect(normalize(path)).toBe(path);
      expect(path.startsWith('prefix.d/')).toBe(true);
    } catch (error) {
      if (!(error instanceof DepotError)) throw error;
    }
  });
  fc.assert(property, { numRuns: 2_000 });
});

test('the tree holds the armored certificates and nothing else, also when it is written again', async () => {
  const root = await mkdtemp(join(tmpdir(), 'bootdepot-rkt-'));
  try {
    const { certificate } = await loadTestKey();
    for (let round = 0; round < 2; round += 1) {
      expect(await writeRktTree(root, certificate)).toBe(join(root, 'root.d', FILE));
      await writeRktTree(root, certificate, 'quay.io/coreos');
    }
    expect(await readdir(root, { recursive: true }).then((names) => names.sort())).toEqual([
      'prefix.d',
      'prefix.d/quay.io',
      'prefix.d/quay.io/coreos',
      `prefix.d/quay.io/coreos/${FILE}`,
      'root.d',
      `root.d/${FILE}`,
    ]);
    expect(await readFile(join(root, 'root.d', FILE), 'utf8')).toBe(certificate.armored);
  } finally {
    await rm(root, { recursive: true });
  }
});
