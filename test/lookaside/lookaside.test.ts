import { mkdirSync, mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { identitiesOf, signedHosts } from '../../server/lookaside/identities.js';
import { Lookaside } from '../../server/lookaside/lookaside.js';
import { parseDigest } from '../../server/oci/digest.js';
import { parseRepositoryName, parseTag } from '../../server/oci/reference.js';

const HEX = 'ab'.repeat(32);
const SIGNED = { repository: parseRepositoryName('team/app'), digest: parseDigest(`sha256:${HEX}`) };

let folder: string;
let inside: string;
let lookaside: Lookaside;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-lookaside-'));
  inside = join(folder, `lookaside/team/app@sha256=${HEX}`);
  lookaside = new Lookaside(join(folder, 'lookaside'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytesOf = (text: string) => Buffer.from(text);
const contents = async () => (await lookaside.list(SIGNED)).map(({ bytes }) => bytes.toString());

describe('the folder of signatures', () => {
  test('need not exist to be read', async () => {
    expect(await lookaside.list(SIGNED)).toEqual([]);
    expect(await lookaside.read(`team/app@sha256=${HEX}/signature-1`)).toBeUndefined();
    await lookaside.tidy(SIGNED);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('numbers from 1, keeps each once, and leaves nothing else lying about', async () => {
    expect(await lookaside.add(SIGNED, bytesOf('one'))).toBe(1);
    expect(await lookaside.add(SIGNED, bytesOf('two'))).toBe(2);
    expect(await lookaside.add(SIGNED, bytesOf('one'))).toBe(1);
    expect(readdirSync(inside).sort()).toEqual(['signature-1', 'signature-2']);
    expect(await lookaside.read(`team/app@sha256=${HEX}/signature-2`)).toEqual(bytesOf('two'));
  });

  test('has no holes after a removal', async () => {
    for (const text of ['1', '2', '3', '4', '5']) await lookaside.add(SIGNED, bytesOf(text));
    await lookaside.remove(SIGNED, [1, 4]);
    expect(readdirSync(inside).sort()).toEqual(['signature-1', 'signature-2', 'signature-3']);
    expect((await contents()).sort()).toEqual(['2', '3', '5']);
    await lookaside.remove(SIGNED, [3, 1, 2]);
    expect(await contents()).toEqual([]);
  });

  test('closes a hole that somebody has left', async () => {
    for (const text of ['1', '2', '3']) await lookaside.add(SIGNED, bytesOf(text));
    unlinkSync(join(inside, 'signature-1'));
    await lookaside.tidy(SIGNED);
    expect(await contents()).toEqual(['3', '2']);
  });

  test('loses none of many that are added at once, also by two processes', async () => {
    const other = new Lookaside(join(folder, 'lookaside'));
    const texts = Array.from({ length: 12 }, (_, index) => `signature ${index}`);
    await Promise.all(texts.map((text, index) => (index % 2 ? other : lookaside).add(SIGNED, bytesOf(text))));
    expect((await contents()).sort()).toEqual([...texts].sort());
    expect((await lookaside.list(SIGNED)).map(({ number }) => number)).toEqual(texts.map((_, i) => i + 1));
  });

  test.each([
    '',
    'team/app',
    `team/app@sha256=${HEX}`,
    `team/app@sha256=${HEX}/`,
    `team/app@sha256=${HEX}/signature-0`,
    `team/app@sha256=${HEX}/signature-01`,
    `team/app@sha256=${HEX}/signature-2/more`,
    `team/app@sha256:${HEX}/signature-1`,
    `team/app@sha256=${HEX.toUpperCase()}/signature-1`,
    `../lookaside/team/app@sha256=${HEX}/signature-1`,
    `team/../team/app@sha256=${HEX}/signature-1`,
    `team/app@sha256=${HEX}/../app@sha256=${HEX}/signature-1`,
    `/team/app@sha256=${HEX}/signature-1`,
    `${'n'.repeat(250)}@sha256=${HEX}/signature-1`,
    `team/app\0@sha256=${HEX}/signature-1`,
  ])('has nothing at %j', async (address) => {
    await lookaside.add(SIGNED, bytesOf('one'));
    expect(await lookaside.read(address)).toBeUndefined();
  });

  test('has nothing where a folder has the name of a signature, or a file that of a folder', async () => {
    mkdirSync(join(inside, 'signature-1'), { recursive: true });
    writeFileSync(join(folder, 'lookaside/file'), '');
    expect(await lookaside.read(`team/app@sha256=${HEX}/signature-1`)).toBeUndefined();
    expect(await lookaside.read(`file/app@sha256=${HEX}/signature-1`)).toBeUndefined();
  });
});

describe('the names of an image', () => {
  const names = (repository: string, hosts: string[], upstreams: string[] = []) =>
    identitiesOf(parseRepositoryName(repository), { tag: parseTag('v1') }, { hosts, upstreams });

  test('are those at each host', () => {
    expect(names('team/app', ['depot.lan:5000', 'depot.lan'])).toEqual([
      'depot.lan:5000/team/app:v1',
      'depot.lan/team/app:v1',
    ]);
  });

  test('are also those of the upstream', () => {
    expect(names('quay.io/coreos/hyperkube', ['r.lan'])).toEqual([
      'r.lan/quay.io/coreos/hyperkube:v1',
      'quay.io/coreos/hyperkube:v1',
    ]);
    expect(names('docker.io/alpine', ['r.lan'])[1]).toBe('docker.io/library/alpine:v1');
    expect(names('registry.lan_5000/app', ['r.lan'])[1]).toBe('registry.lan:5000/app:v1');
    expect(names('localhost_5001/app', ['r.lan'], ['localhost:5001'])[1]).toBe('localhost:5001/app:v1');
  });

  test('are never guessed', () => {
    expect(signedHosts([], 'https://depot.lan:8443/x')).toEqual(['depot.lan:8443']);
    expect(signedHosts(['a.lan'], 'https://depot.lan')).toEqual(['a.lan']);
    expect(() => signedHosts([], undefined)).toThrow(/signedHosts/);
  });
});
