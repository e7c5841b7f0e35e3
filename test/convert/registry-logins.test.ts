/** Credential helpers of docker, and images that a registry has in Docker's first schema only. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openSource } from '../../server/index.js';
import { dockerLogin } from '../../server/registry/upstream/docker-config.js';
import { digestOf } from '../fixtures/registry-client.js';
import { imageWith } from '../fixtures/registry-images.js';
import { startUpstream, type UpstreamRegistry } from '../fixtures/upstream-registry.js';

const SECRET = 'se:cret';
const IMAGE = imageWith([{ name: 'a' }]);
const NOTHING = 'credentials not found in native keychain';
const LOGIN = JSON.stringify({ Username: 'ann', Secret: SECRET });

let folder: string;
let upstream: UpstreamRegistry;
let helperMs: number;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-logins-'));
  mkdirSync(join(folder, 'bin'));
  helperMs = 60_000;
  upstream = await startUpstream();
  upstream.put('team/app', 'v1', IMAGE);
});
afterEach(async () => {
  await upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function digestAt(tag: string): Promise<string> {
  const source = await openSource(`docker://${upstream.host}/team/app:${tag}`, {
    platform: undefined,
    reference: undefined,
    scratch: folder,
    registries: async () => ({
      own: undefined,
      insecure: false,
      env: { DOCKER_CONFIG: folder, PATH: `${folder}/bin:${process.env.PATH}` },
      timing: { backoff: 1, helper: helperMs },
      config: { upstreams: {}, offline: false },
    }),
  });
  await source.close();
  return source.manifestHash;
}

describe('a registry that wants a password', () => {
  beforeEach(() => {
    const expected = `Basic ${Buffer.from(`ann:${SECRET}`).toString('base64')}`;
    upstream.script = (req, res, serve) => {
      if (req.headers.authorization === expected) return serve();
      res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end();
    };
  });

  const config = (value: object): void => writeFileSync(join(folder, 'config.json'), JSON.stringify(value));
  /** Puts a program on the PATH that notes what it was asked. */
  function helper(name: string, ...lines: string[]): void {
    const path = join(folder, 'bin', `docker-credential-${name}`);
    const note = `{ echo "$0 $1"; cat; } >>'${join(folder, 'asked')}'`;
    writeFileSync(path, ['#!/bin/sh', note, ...lines, ''].join('\n'));
    chmodSync(path, 0o755);
  }
  const answering = (name: string, text: string, status = 0): void =>
    helper(name, `echo '${text}'`, `exit ${status}`);
  const asked = (): string[] =>
    readFileSync(join(folder, 'asked'), 'utf8')
      .replaceAll(`${folder}/bin/docker-credential-`, '')
      .split('\n');

  test.each<[string, (host: string) => object]>([
    ['for that registry', (host) => ({ credHelpers: { 'quay.io': 'none', [host]: 'lab-1' } })],
    ['for all registries', () => ({ credsStore: 'lab-1' })],
    ['for all where it is logged in', (host) => ({ auths: { [host]: {} }, credsStore: 'lab-1' })],
  ])('gets it from the helper %s, which is asked as docker does', async (_, value) => {
    config(value(upstream.host));
    answering('lab-1', LOGIN);
    expect(await digestAt('v1')).toBe(IMAGE.digest);
    expect(asked()).toEqual(['lab-1 get', upstream.host, '']);
  });

  test('has the helper of its own before a written entry, and that before the helper of all', async () => {
    answering('lost', NOTHING, 1);
    helper('broken', 'exit 3');
    const auth = Buffer.from(`ann:${SECRET}`).toString('base64');
    const auths = { [upstream.host]: { auth } };
    config({ auths, credHelpers: { [upstream.host]: 'lost' }, credsStore: 'broken' });
    expect(await digestAt('v1')).toBe(IMAGE.digest);
    expect(asked()[0]).toBe('lost get');
    config({ auths: {}, credHelpers: { [upstream.host]: 'lost' }, credsStore: 'lost' });
    await expect(digestAt('v1')).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      message: expect.stringContaining('refuses us'),
    });
  });

  test("is called as docker calls it to helpers, and only that helper's own registry is asked for", async () => {
    config({ credHelpers: { 'docker.io': 'lab' } });
    answering('lab', LOGIN);
    const env = { DOCKER_CONFIG: folder, PATH: `${folder}/bin:${process.env.PATH}` };
    const wish = { repository: 'library/redis', env, helperMs };
    expect(await dockerLogin({ ...wish, host: 'docker.io' })).toEqual({ username: 'ann', password: SECRET });
    expect(await dockerLogin({ ...wish, host: 'quay.io' })).toBeUndefined();
    expect(asked()).toEqual(['lab get', 'https://index.docker.io/v1/', '']);
  });

  test.each<[string, string, string[] | undefined, string]>([
    ['is no name', '../../bin/sh', undefined, 'expected small letters, digits and dashes'],
    ['is not there', 'missing', undefined, 'docker-credential-missing is not on the PATH'],
    ['fails', 'lab', [`echo '${LOGIN}'`, 'exit 3'], 'docker-credential-lab failed'],
    ['hangs', 'lab', [`echo '${LOGIN}'`, 'exec sleep 60'], 'docker-credential-lab did not answer in time'],
    ['floods', 'lab', ['exec cat /dev/zero'], 'docker-credential-lab failed'],
    ['answers something else', 'lab', [`echo '"${SECRET}"'`], 'did not answer with a name and a password'],
    ['has a token', 'lab', [`echo '${LOGIN.replace('ann', '<token>')}'`], 'identity token'],
  ])('a helper that %s is named, and what it wrote is not', async (_, name, lines, message) => {
    config({ credsStore: name });
    if (lines !== undefined) helper(name, ...lines);
    if (message.includes('in time')) helperMs = 500;
    const error = await digestAt('v1').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) });
    expect(String(error)).not.toContain(SECRET);
    expect(upstream.count('GET', /manifests/)).toBe(0);
  });
});

test.each(['prettyjws', 'json'])(
  "an image in Docker's schema 1 (%s) is refused by that name",
  async (kind) => {
    const old = { schemaVersion: 1, name: 'team/app', tag: 'old', fsLayers: [], history: [] };
    const bytes = Buffer.from(JSON.stringify({ ...old, signatures: [{}] }));
    upstream.script = (req, res, serve) => {
      if (!req.url?.endsWith('/old')) return serve();
      res.writeHead(200, {
        'Content-Type': `application/vnd.docker.distribution.manifest.v1+${kind}; charset=utf-8`,
        'Docker-Content-Digest': digestOf(JSON.stringify(old)),
      });
      res.end(bytes);
    };
    await expect(digestAt('old')).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      message: expect.stringContaining("in Docker's schema 1 only"),
    });
    expect(await digestAt('v1')).toBe(IMAGE.digest);
  },
);
