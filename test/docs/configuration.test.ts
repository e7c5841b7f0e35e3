import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { CONFIG_KEYS } from '../../server/config/keys.js';

const ROW = /^\| `([\w.]+)` \| (.+?) \| `(BOOTDEPOT_\w+)` \| .+ \|$/gm;

test('the table of keys is the schema: every key, its default and its variable, in order', async () => {
  const text = await readFile('docs/configuration.md', 'utf8');
  const written = [...text.matchAll(ROW)].map(([, name, byDefault = '', variable]) => ({
    name,
    byDefault: byDefault === '–' ? undefined : parse(byDefault.replaceAll('`', '')),
    variable,
  }));
  const known = [...CONFIG_KEYS.values()].map(({ name, byDefault, variable }) => ({
    name,
    byDefault,
    variable,
  }));
  expect(written).toEqual(known);
});
