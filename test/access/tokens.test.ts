import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Tokens } from '../../server/access/tokens.js';
import { UsersFile } from '../../server/access/users-file.js';
import { writeUsers } from '../fixtures/users.js';

const NOW = 1_700_000_000_000;

let folder: string;
let path: string;
let file: UsersFile;
let tokens: Tokens;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-tokens-'));
  path = join(folder, 'users.htpasswd');
  writeUsers(path, { anna: 'one' });
  file = await UsersFile.open(path, () => undefined);
  tokens = new Tokens(file);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a token says who it was made for, for five minutes', async () => {
  const { text, seconds } = await tokens.issue('anna', NOW);
  expect(seconds).toBe(300);
  expect(await tokens.read(text, NOW + 299_999)).toEqual({ user: 'anna' });
  expect(await tokens.read(text, NOW + 300_000)).toBeUndefined();
});

test('a token for nobody is one', async () => {
  const { text } = await tokens.issue(undefined, NOW);
  expect(await tokens.read(text, NOW)).toEqual({ user: undefined });
});

test('a token that another process made, that was changed, or that is none is not taken', async () => {
  const { text } = await new Tokens(file).issue('anna', NOW);
  const own = await tokens.issue('anna', NOW);
  for (const wrong of [text, own.text.replace(/^\d/, '9'), `${own.text}x`, own.text.slice(1), '', '..']) {
    expect(await tokens.read(wrong, NOW)).toBeUndefined();
  }
});

test('a token ends with the password it was given for', async () => {
  const { text } = await tokens.issue('anna', NOW);
  writeUsers(path, { anna: 'another one' });
  expect(await tokens.read(text, NOW)).toBeUndefined();
});
