/** `gc` and `scrub` as a person runs them, on a folder that a server has written. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { bootdepot } from '../fixtures/command.js';
import { digestOf, imageOf, RegistryClient } from '../fixtures/registry-client.js';
import { type RunningDepot, startDepot } from '../fixtures/running-depot.js';

let folder: string;
let depot: RunningDepot;
let client: RegistryClient;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-commands-'));
  const folders = ['assets', 'keys', 'data'].flatMap((name) => [`--${name}`, join(folder, name)]);
  depot = await startDepot(folders);
  client = new RegistryClient(depot.url);
  await client.push('coreos/etcd', 'v3', imageOf(['a layer']));
});
afterEach(async () => {
  await depot.stop();
  rmSync(folder, { recursive: true, force: true });
});

function dataOf(digest: string): string {
  const hex = digest.slice('sha256:'.length);
  return join(folder, 'data/registry/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
}

test('gc beside a running server: a dry run lists, then it removes; the image stays', async () => {
  const lonely = Buffer.from('nobody needs this');
  await client.pushBlob('coreos/etcd', lonely);
  expect(bootdepot(folder, ['gc']).out).toBe(
    'removed 0 contents, 0 manifests, 0 links, 0 uploads, 0 repositories: 0 B\n',
  );
  const dry = bootdepot(folder, ['gc', '--grace', '0s', '--dry-run']);
  expect([dry.status, dry.out]).toEqual([
    0,
    `link       coreos/etcd ${digestOf(lonely)}\ncontent    ${digestOf(lonely)}  17 B\nwould remove 1 contents, 0 manifests, 1 links, 0 uploads, 0 repositories: 17 B\n`,
  ]);
  const json = bootdepot(folder, ['gc', '--grace', '0s', '--json']);
  expect(JSON.parse(json.out)).toMatchObject({ removed: { content: 1, link: 1 }, bytes: 17 });
  expect(existsSync(dataOf(digestOf(lonely)))).toBe(false);
  expect((await client.get(`coreos/etcd/blobs/${digestOf('a layer')}`)).status).toBe(200);
});

test('scrub tells of a damaged blob with status 1, and repairs what a server then takes again', async () => {
  expect(bootdepot(folder, ['scrub']).out).toMatch(/^3 contents, .*, 1 repositories: all is well\n$/);
  writeFileSync(dataOf(digestOf('a layer')), 'another');
  const told = bootdepot(folder, ['scrub']);
  expect([told.status, told.out.split('\n')[0]]).toEqual([1, `damaged       ${digestOf('a layer')}`]);
  expect(bootdepot(folder, ['scrub', '--repair', '--json']).status).toBe(1);
  expect((await client.ask('HEAD', `coreos/etcd/blobs/${digestOf('a layer')}`)).status).toBe(404);
  await client.pushBlob('coreos/etcd', 'a layer');
  expect(bootdepot(folder, ['scrub']).status).toBe(0);
  expect(readFileSync(dataOf(digestOf('a layer')), 'utf8')).toBe('a layer');
});

test('a folder that is no registry is named, and nothing is made there', () => {
  for (const command of ['gc', 'scrub']) {
    const { status, talk } = bootdepot(folder, [command, '--data', 'typo']);
    expect([status, talk]).toEqual([
      1,
      'bootdepot: typo/registry is missing: name the folder above the registry with --data\n',
    ]);
    expect(existsSync(join(folder, 'typo'))).toBe(false);
  }
});
