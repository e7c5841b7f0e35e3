/** skopeo with a policy: it takes what the depot has signed, and refuses everything else. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { generateKey } from 'openpgp';
import {
  Lookaside,
  openRegistry,
  parseNamedImage,
  type SignedImage,
  signImages,
  type VerifiedImage,
  verifyImages,
} from '../../server/index.js';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { type PushedIndex, pushIndex } from '../fixtures/image-index.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { imageOf, RegistryClient } from '../fixtures/registry-client.js';
import { freePort } from '../fixtures/running-depot.js';
import { loadTestKey, testKeyFolder } from '../fixtures/test-key.js';
import { describeWith } from './programs.js';

const run = promisify(execFile);

describeWith(['skopeo'], 'skopeo with a policy', () => {
  let folder: string;
  let depot: LiveDepot;
  let host: string;
  let client: RegistryClient;
  let pushed: PushedIndex;
  let options: string[];
  let copies = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bootdepot-policy-'));
    const keys = await testKeyFolder(folder);
    host = `127.0.0.1:${await freePort()}`;
    depot = await startLiveDepot({
      settings: {
        listen: [host],
        'keys.dir': keys,
        'data.dir': join(folder, 'data'),
        'assets.dir': join(folder, 'assets'),
      },
    });
    client = new RegistryClient(depot.urls[0] ?? '');
    pushed = await pushIndex(client, 'team/app', 'v1');
    await pushIndex(client, 'team/unsigned', 'v1', ' unsigned');
    await pushIndex(client, 'quay.io/coreos/app', 'v1', ' of quay');
    await writeFile(join(folder, 'depot.gpg'), (await loadTestKey()).certificate.binary);
    options = await policyFor('depot.gpg');
    await sign('team/app:v1', 'quay.io/coreos/app:v1');
  }, 60_000);
  afterAll(async () => {
    await depot.remove();
    await rm(folder, { recursive: true, force: true });
  });

  /** What the commands work with, beside the server that runs. */
  async function parts() {
    const key = await loadTestKey();
    const registry = await openRegistry({
      dir: join(folder, 'data/registry'),
      freeSpace: 0,
      onDamage: () => undefined,
    });
    const lookaside = new Lookaside(join(folder, 'data/lookaside'));
    const names = { hosts: [host], upstreams: [] };
    const signing = { key, hashName: 'sha512', retired: [], force: false, dryRun: false } as const;
    return { ...signing, registry, lookaside, names, keyring: [key.certificate], now: () => new Date() };
  }

  const sign = async (...images: string[]): Promise<SignedImage[]> =>
    signImages(await parts(), images.map(parseNamedImage), () => undefined);

  async function verify(image: string): Promise<VerifiedImage['state'] | undefined> {
    const done = await verifyImages(await parts(), [parseNamedImage(image)], () => undefined);
    return done[0]?.state;
  }

  /** The files that a machine would have, for one key. */
  async function policyFor(key: string, lookaside = true): Promise<string[]> {
    const dir = await mkdtemp(join(folder, 'client-'));
    const rule = [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: join(folder, key) }];
    const docker = { [host]: rule, 'quay.io': rule };
    const policy = { default: [{ type: 'reject' }], transports: { docker } };
    await writeFile(join(dir, 'policy.json'), JSON.stringify(policy));
    await mkdir(join(dir, 'registries.d'));
    const where = JSON.stringify({ docker: { [host]: { lookaside: `http://${host}/lookaside` } } });
    if (lookaside) await writeFile(join(dir, 'registries.d/depot.yaml'), where);
    const mirror = `[[registry]]\nprefix = "quay.io"\nlocation = "quay.io"\nblocked = true\n[[registry.mirror]]\nlocation = "${host}/quay.io"\ninsecure = true\n`;
    await writeFile(join(dir, 'registries.conf'), mirror);
    return [
      ...['--policy', join(dir, 'policy.json'), '--registries.d', join(dir, 'registries.d')],
      ...['--registries-conf', join(dir, 'registries.conf'), '--override-arch', 'arm64'],
    ];
  }

  /** Copies an image as a machine would pull it; gives its manifest, or what skopeo complains about. */
  async function pull(image: string, from = options, ...more: string[]): Promise<string> {
    copies += 1;
    const out = join(folder, `out-${copies}`);
    try {
      const args = [...from, 'copy', '--src-tls-verify=false', ...more, `docker://${image}`, `dir:${out}`];
      await run('skopeo', args, { env: { ...process.env, HOME: folder, TMPDIR: folder } });
      return await readFile(join(out, 'manifest.json'), 'utf8');
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  test('takes the image of its platform, and the whole', async () => {
    expect(JSON.parse(await pull(`${host}/team/app:v1`)).annotations).toEqual({ architecture: 'arm64' });
    expect(JSON.parse(await pull(`${host}/team/app:v1`, options, '--all')).manifests).toHaveLength(2);
    expect(JSON.parse(await pull(`${host}/team/app@${pushed.arm64}`)).layers).toHaveLength(1);
  }, 60_000);

  test('takes an image of a mirrored registry by both of its names', async () => {
    for (const name of ['quay.io/coreos/app:v1', `${host}/quay.io/coreos/app:v1`]) {
      expect(JSON.parse(await pull(name)).annotations).toEqual({ architecture: 'arm64' });
    }
  }, 60_000);

  test('refuses what is not signed', async () => {
    expect(await pull(`${host}/team/unsigned:v1`)).toContain('no signature exists');
  });

  test('refuses another tag of the same bytes until that is signed, too', async () => {
    const image = imageOf(['two tags']);
    await client.push('team/tags', 'v1', image);
    await client.pushManifest('team/tags', 'v2', image.manifest);
    await sign('team/tags:v1');
    expect(JSON.parse(await pull(`${host}/team/tags:v1`)).layers).toHaveLength(1);
    expect(await pull(`${host}/team/tags:v2`)).toMatch(/Signature for identity .* is not accepted/);
    await sign('team/tags:v2');
    for (const tag of ['v1', 'v2']) {
      expect(JSON.parse(await pull(`${host}/team/tags:${tag}`)).layers).toHaveLength(1);
    }
  }, 60_000);

  test('refuses a tag that was moved to a manifest nobody has signed', async () => {
    await client.push('team/moved', 'v1', imageOf(['first']));
    await sign('team/moved:v1');
    await client.push('team/moved', 'v1', imageOf(['second']));
    expect(await pull(`${host}/team/moved:v1`)).toContain('no signature exists');
    expect(await verify('team/moved:v1')).toBe('missing');
  }, 60_000);

  test('refuses a signature of another manifest', async () => {
    const { digest } = await signed('team/swapped', ['swapped']);
    const from = `team/app@${pushed.index.replace(':', '=')}`;
    await writeFile(
      join(folder, `data/lookaside/team/swapped@${digest.replace(':', '=')}/signature-1`),
      await readFile(join(folder, 'data/lookaside', from, 'signature-1')),
    );
    expect(await pull(`${host}/team/swapped:v1`)).toMatch(
      /Signature for .* (does not match|is not accepted)/,
    );
    expect(await verify('team/swapped:v1')).not.toBe('good');
    expect(await sign('team/swapped:v1')).toMatchObject([{ reason: expect.stringContaining('removed') }]);
    expect(JSON.parse(await pull(`${host}/team/swapped:v1`)).layers).toHaveLength(1);
  }, 60_000);

  async function signed(name: string, layers: string[]) {
    const image = imageOf(layers);
    await client.push(name, 'v1', image);
    await sign(`${name}:v1`);
    return image;
  }

  test('refuses the signature of a key that it does not know', async () => {
    const userIDs = [{ name: 'Other', email: 'other@example.com' }];
    const { publicKey } = await generateKey({
      userIDs,
      type: 'ecc',
      curve: 'ed25519Legacy',
      format: 'binary',
    });
    await writeFile(join(folder, 'other.gpg'), publicKey);
    expect(await pull(`${host}/team/app:v1`, await policyFor('other.gpg'))).toContain(
      'Invalid GPG signature',
    );
  }, 60_000);

  test('is served again when what was broken is signed anew', async () => {
    const { digest } = await signed('team/again', ['again']);
    expect(await sign('team/again:v1')).toMatchObject([{ action: 'good' }]);
    const file = join(folder, `data/lookaside/team/again@${digest.replace(':', '=')}/signature-1`);
    await writeFile(file, '<html>');
    expect(await verify('team/again:v1')).toBe('broken');
    expect(await pull(`${host}/team/again:v1`)).toContain('unrecognized signature format');
    await sign('team/again:v1');
    expect(await verify('team/again:v1')).toBe('good');
    expect(JSON.parse(await pull(`${host}/team/again:v1`)).layers).toHaveLength(1);
  }, 60_000);

  test('takes what the commands have signed', async () => {
    await client.push('team/command', 'v1', imageOf(['command']));
    const folders = ['--keys', 'keys', '--data', 'data'];
    const command = (name: string) => [name, '--images', ...folders, '--host', host, 'team/command:v1'];
    const before = bootdepot(folder, [...command('verify'), '--json']);
    expect(before.status).toBe(1);
    expect(JSON.parse(before.out).totals).toEqual({ missing: 1 });
    expect(mustBootdepot(folder, command('sign'))).toContain(`signed      team/command:v1: as ${host}`);
    expect(JSON.parse(await pull(`${host}/team/command:v1`)).layers).toHaveLength(1);
    const nothing = bootdepot(folder, ['sign', '--images', ...folders, 'team/nothing:v1']);
    expect([nothing.status, nothing.talk]).toEqual([2, expect.stringContaining('registry.signedHosts')]);
  }, 60_000);
});
