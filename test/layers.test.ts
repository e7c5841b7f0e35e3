/** The arrows between the rooms, checked on the real tree and on a planted fault. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';

function cruise(folder: string): { status: number | null; output: string } {
  const bin = resolve('node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const result = spawnSync(
    process.execPath,
    [bin, '--config', resolve('.dependency-cruiser.cjs'), 'server', 'scripts'],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  );
  return { status: result.status, output: result.stdout + result.stderr };
}

test('no room imports from a room below it', () => {
  expect(cruise('.').output).toContain('no dependency violations found');
});

test.each([
  ['server/disk/a.ts', "import '../http/app.js';", 'core-knows-no-face'],
  ['server/disk/a.ts', "import '../openpgp/b.js';", 'disk-knows-only-rooms-above'],
  ['server/http/a.ts', "import '../openpgp/b.js';", 'faces-use-the-index'],
  ['server/errors.ts', "import './disk/c.js';", 'ground-floor-knows-no-room'],
])('an arrow the wrong way from %s is refused', (file, line, rule) => {
  const folder = mkdtempSync(join(tmpdir(), 'bootdepot-layers-'));
  try {
    for (const room of ['disk', 'openpgp', 'http'])
      mkdirSync(join(folder, 'server', room), { recursive: true });
    mkdirSync(join(folder, 'scripts'));
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
    for (const target of [
      'server/http/app.ts',
      'server/openpgp/b.ts',
      'server/disk/c.ts',
      'scripts/bootdepot.ts',
    ]) {
      writeFileSync(join(folder, target), 'export const planted = 1;\n');
    }
    writeFileSync(join(folder, 'tsconfig.json'), '{"compilerOptions":{"module":"nodenext"}}');
    writeFileSync(join(folder, file), `${line}\n`);
    const { status, output } = cruise(folder);
    expect(output).toContain(rule);
    expect(status).not.toBe(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
