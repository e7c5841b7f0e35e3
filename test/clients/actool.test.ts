/**
 * More than a hundred good and bad archives, judged by `bootdepot aci validate` and by Debian's `actool validate`. They
 * agree on all but those whose case says why not.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { validateAci } from '../../server/index.js';
import { type AciCase, aciArchives } from '../fixtures/aci-archives.js';
import { aciManifests } from '../fixtures/aci-manifests.js';
import { describeWith } from './programs.js';

describeWith(['actool', 'xz', 'bzip2', 'zstd'], 'aci validate beside actool', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bootdepot-actool-'));
  const cases = [...aciArchives(), ...aciManifests()];

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(cases)('$name', async (one) => {
    const path = join(folder, 'image.aci');
    writeFileSync(path, one.bytes);
    const { problems } = await validateAci(path);
    expect({ problems, actool: actoolTakes(path) }).toEqual({
      problems: one.valid ? [] : expect.arrayContaining([expect.stringContaining(one.says ?? '')]),
      actool: one.actoolDiffers === undefined ? one.valid : !one.valid,
    });
  });

  test('no two cases have one name', () => {
    expect(new Set(cases.map((one: AciCase) => one.name)).size).toBe(cases.length);
  });
});

function actoolTakes(path: string): boolean {
  return spawnSync('actool', ['validate', path]).status === 0;
}
