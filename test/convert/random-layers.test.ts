/** Random stacks of layers: what comes out is what the specification says, by a model that shares no code with it. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { convertImage, validateAci } from '../../server/index.js';
import { describeWith } from '../clients/programs.js';
import { readAciTree, type TreeFile } from '../fixtures/aci-tree.js';
import { layerStack } from '../fixtures/layers/arbitrary.js';
import type { Layer } from '../fixtures/layers/entry.js';
import { Meaningless, modelTree } from '../fixtures/layers/model.js';
import { writeLayer } from '../fixtures/layers/write.js';
import { memorySource } from '../fixtures/memory-image.js';
import { expectUnpacks } from '../fixtures/unpacked-aci.js';

const RUNS = 300;
/** Of so many results one is unpacked, and checked by actool. */
const SAMPLE = 12;

let folder: string;
let runs = 0;

beforeAll(() => {
  // In memory where that can be: a disk takes longer to sync a file than the conversion takes.
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bootdepot-layers-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeWith(['tar', 'bzip2', 'xz', 'zstd'], 'random layers', () => {
  test('become the tree of the specification, or are refused where they have no meaning', async () => {
    const outcomes = { converted: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(layerStack, fc.constantFrom(1000, 4096, 1 << 20), async (layers, pieceBytes) => {
        outcomes[await check(layers, pieceBytes)] += 1;
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    expect(outcomes.converted).toBeGreaterThan(RUNS / 2);
    expect(outcomes.refused).toBeGreaterThan(0);
  }, 240_000);
});

async function check(layers: readonly Layer[], pieceBytes: number): Promise<'converted' | 'refused'> {
  runs += 1;
  const path = join(folder, 'image.aci');
  const source = memorySource({ layers: layers.map(writeLayer), pieceBytes });
  const expected = treeOrNone(layers);
  if (expected === undefined) {
    await expect(convertImage(source, { path })).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    return 'refused';
  }
  await convertImage(source, { path });
  const { files } = readAciTree(path);
  expect(Object.fromEntries(files)).toEqual(Object.fromEntries(expected));
  expect(await validateAci(path)).toMatchObject({ problems: [] });
  const again = join(folder, 'again.aci');
  await convertImage(source, { path: again });
  expect(readFileSync(again).equals(readFileSync(path))).toBe(true);
  if (runs % SAMPLE === 0) expectUnpacks(path, files);
  return 'converted';
}

function treeOrNone(layers: readonly Layer[]): Map<string, TreeFile> | undefined {
  try {
    return modelTree(layers);
  } catch (error) {
    if (error instanceof Meaningless) return undefined;
    throw error;
  }
}
