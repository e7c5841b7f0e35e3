import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chdir, cwd } from 'node:process';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { DEFAULT_LIMITS } from '../../server/convert/limits.js';
import { type FlagSetting, loadConfig, loadFolderConfig } from '../../server/index.js';

const before = cwd();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-unconfigured-'));
  chdir(folder);
});
afterEach(() => {
  chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

const FLAGS: readonly FlagSetting[] = [
  { name: 'assets.dir', flag: '--assets', value: 'files' },
  { name: 'sign.hash', flag: '--hash', value: 'sha256' },
  { name: 'sign.passphraseFile', flag: '--passphrase-file', value: 'pass' },
  { name: 'keys.dir', flag: '--keys', value: undefined },
];

test.each([
  ['nothing', [], {}],
  ['flags', FLAGS, {}],
  ['a passphrase', FLAGS, { BOOTDEPOT_PASSPHRASE: 'x' }],
  ['a variable', FLAGS, { BOOTDEPOT_KEYS_DIR: 'secrets' }],
])('with %s the folders are those of the whole configuration', async (_, flags, env) => {
  const { config } = await loadConfig({ flags, env });
  expect(config).toMatchObject(await loadFolderConfig({ flags, env }));
});

test('a file is read where it is', async () => {
  writeFileSync('bootdepot.yaml', 'assets: { dir: elsewhere, symlinks: follow }\n');
  const { assets } = await loadFolderConfig({ env: {} });
  expect(assets).toMatchObject({ dir: 'elsewhere', symlinks: 'follow' });
  writeFileSync('other.yaml', 'keys: { dir: hidden }\n');
  expect((await loadFolderConfig({ env: {}, file: 'other.yaml' })).keys).toEqual({ dir: 'hidden' });
});

test.each([
  ['sign.hash', '--hash', 'md5'],
  ['assets.dir', '--assets', ''],
])('a wrong %s is refused as it is elsewhere', async (name, flag, value) => {
  const flags = [{ name, flag, value }];
  const refused = expect.objectContaining({ code: 'CONFIG_INVALID' });
  await expect(loadFolderConfig({ flags, env: {} })).rejects.toEqual(refused);
});

test('limits of a conversion are the same where nothing is configured', async () => {
  const { config } = await loadConfig({ env: {} });
  expect(config.convert.limits).toEqual(DEFAULT_LIMITS);
  expect(await loadFolderConfig({ env: {} })).not.toHaveProperty('convert');
});
