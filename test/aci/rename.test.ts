import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { planRename, renameAci } from '../../server/aci/rename.js';
import { type RenameOutcome, renameAcis } from '../../server/aci/rename-all.js';
import { buildAci } from '../fixtures/aci.js';

const NAME = 'coreos-hyperkube:v1.3.6_coreos.0.aci';
const SIGNATURE = 'a signature';
const image = await buildAci({ name: 'quay.io/coreos/hyperkube', version: 'v1.3.6_coreos.0' });

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-rename-'));
  writeFileSync(join(folder, 'old.aci'), image);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name);
const names = (): string[] => readdirSync(folder).sort();
const isImage = (name: string): boolean => readFileSync(at(name)).equals(image);

async function rename(...files: readonly string[]): Promise<RenameOutcome[]> {
  const outcomes: RenameOutcome[] = [];
  for await (const outcome of renameAcis(files.map(at), false)) outcomes.push(outcome);
  return outcomes;
}

test('an archive gets its colon name, its signature goes along', async () => {
  writeFileSync(at('old.aci.asc'), SIGNATURE);
  expect(await rename('old.aci')).toEqual([
    { from: at('old.aci'), to: at(NAME), isSigned: true, status: 'renamed' },
  ]);
  expect(names()).toEqual([NAME, `${NAME}.asc`]);
  expect([isImage(NAME), readFileSync(at(`${NAME}.asc`), 'utf8')]).toEqual([true, SIGNATURE]);
});

test('an archive without a signature is renamed alone, one with its name stays', async () => {
  expect((await rename('old.aci'))[0]?.status).toBe('renamed');
  expect((await rename(NAME))[0]?.status).toBe('unchanged');
  expect(names()).toEqual([NAME]);
});

test('a dry run changes nothing and sees when two would get one name', async () => {
  writeFileSync(at('same.aci'), image);
  const outcomes: RenameOutcome[] = [];
  for await (const outcome of renameAcis([at('old.aci'), at('same.aci')], true)) outcomes.push(outcome);
  expect(outcomes.map(({ status }) => status)).toEqual(['planned', 'failed']);
  expect(outcomes[1]?.error?.message).toContain(`${at(NAME)} is the name of ${at('old.aci')} already`);
  expect(names()).toEqual(['old.aci', 'same.aci']);
});

test.each([
  ['an archive', NAME, 'file'],
  ['a folder', NAME, 'folder'],
  ['a signature', `${NAME}.asc`, 'file'],
])('%s that has the name already is never replaced', async (_what, taken, kind) => {
  writeFileSync(at('old.aci.asc'), SIGNATURE);
  if (kind === 'folder') mkdirSync(at(taken));
  else writeFileSync(at(taken), 'precious');
  const [outcome] = await rename('old.aci');
  expect(outcome).toMatchObject({ status: 'failed', error: { code: 'FILE_EXISTS' } });
  expect(outcome?.error?.message).toContain(`${at(taken)} exists and is another file`);
  expect(names()).toEqual([taken, 'old.aci', 'old.aci.asc'].sort());
});

test("another image's signature is not left beside an unsigned archive", async () => {
  writeFileSync(at(`${NAME}.asc`), 'of another');
  expect((await rename('old.aci'))[0]).toMatchObject({ status: 'failed', error: { code: 'FILE_EXISTS' } });
  expect(names()).toEqual([`${NAME}.asc`, 'old.aci'].sort());
});

test('a file that appears between plan and rename is not replaced, and nothing is left half done', async () => {
  writeFileSync(at('old.aci.asc'), SIGNATURE);
  const plan = await planRename(at('old.aci'));
  writeFileSync(at(`${NAME}.asc`), 'precious');
  await expect(renameAci(plan)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  expect(names()).toEqual([`${NAME}.asc`, 'old.aci', 'old.aci.asc'].sort());
  expect(readFileSync(at(`${NAME}.asc`), 'utf8')).toBe('precious');
});

test.each([
  ['after the archive had both names', [NAME], []],
  ['after both had both names', [NAME, `${NAME}.asc`], []],
  ['after the old signature was gone', [NAME, `${NAME}.asc`], ['old.aci.asc']],
])('a rename that was cut off %s is finished by the next', async (_when, made, gone) => {
  writeFileSync(at('old.aci.asc'), SIGNATURE);
  const old: Record<string, string> = { [NAME]: 'old.aci', [`${NAME}.asc`]: 'old.aci.asc' };
  for (const name of made) linkSync(at(old[name] ?? ''), at(name));
  for (const name of gone) rmSync(at(name));
  expect((await rename('old.aci'))[0]?.status).toBe('renamed');
  expect(names()).toEqual([NAME, `${NAME}.asc`]);
});

test('what is no image keeps its name, the others get theirs', async () => {
  writeFileSync(at('page.aci'), '<html>');
  writeFileSync(at('etcd.aci'), await buildAci({ name: 'quay.io/coreos/etcd' }));
  const outcomes = await rename('page.aci', 'gone.aci', 'old.aci', 'etcd.aci');
  expect(outcomes.map(({ status, error }) => error?.code ?? status)).toEqual([
    'ACI_INVALID',
    'NOT_FOUND',
    'renamed',
    'renamed',
  ]);
  expect(names()).toEqual(['coreos-etcd.aci', NAME, 'page.aci'].sort());
});

test('a client that reads archive and signature meanwhile never gets a pair that does not match', async () => {
  const other = await buildAci({
    name: 'quay.io/coreos/hyperkube',
    version: 'v1.3.6_coreos.0',
    files: { a: 'b' },
  });
  writeFileSync(at('old.aci.asc'), image.toString('base64'));
  let done = false;
  const readers = ['old.aci', NAME].map(async (name) => {
    while (!done) {
      const [signature, archive] = [`${name}.asc`, name].map((one) => {
        try {
          return readFileSync(at(one));
        } catch {
          return undefined;
        }
      });
      if (signature && archive) expect(signature.toString()).toBe(archive.toString('base64'));
      await new Promise((wake) => setImmediate(wake));
    }
  });
  writeFileSync(at('other.aci'), other);
  const outcomes = await Promise.all([rename('old.aci'), rename('other.aci')]);
  done = true;
  await Promise.all(readers);
  const states = outcomes.flat().map(({ status }) => status);
  expect(states.sort()).toEqual(['failed', 'renamed']);
  expect(names().filter((name) => name.endsWith('.aci'))).toHaveLength(2);
});
