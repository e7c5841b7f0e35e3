/** Real clients of the registry, and the reference registry on the same folder. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { digestOf, imageOf, RegistryClient } from '../fixtures/registry-client.js';
import { freePort, type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { writeUsers } from '../fixtures/users.js';
import { describeWith } from './programs.js';

let folder: string;
let depot: RunningDepot | undefined;
let reference: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-registry-'));
});
afterEach(async () => {
  await depot?.stop();
  reference?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function serve(env: Record<string, string> = {}): Promise<RegistryClient> {
  const folders = ['--assets', join(folder, 'a'), '--keys', join(folder, 'k'), '--data', join(folder, 'd')];
  depot = await startDepot(folders, env);
  return new RegistryClient(depot.url);
}

/** Debian's docker-registry on the folder that bootdepot has, or had. */
async function serveReference(): Promise<RegistryClient> {
  const port = await freePort();
  const config = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(folder, 'd/registry') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}` },
  };
  const file = join(folder, 'reference.yml');
  writeFileSync(file, JSON.stringify(config));
  reference = spawn('docker-registry', ['serve', file], { stdio: 'ignore' });
  const client = new RegistryClient(`http://127.0.0.1:${port}`);
  for (let tries = 0; tries < 200; tries += 1) {
    if ((await client.get('').catch(() => undefined))?.ok) return client;
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error('docker-registry does not answer');
}

async function stopAll(): Promise<void> {
  await depot?.stop();
  depot = undefined;
  reference?.kill('SIGTERM');
  reference = undefined;
}

function skopeo(...args: string[]): string {
  const result = spawnSync('skopeo', args, { encoding: 'utf8', env: { ...process.env, TMPDIR: folder } });
  if (result.status !== 0) throw new Error(result.stderr);
  return result.stdout;
}

/** An OCI layout with an index of two images, as a build would leave it. */
function layoutOf(dir: string): void {
  const images = ['amd64', 'arm64'].map((architecture) => ({
    architecture,
    image: imageOf([`layer of ${architecture}`], { annotations: { architecture } }),
  }));
  const put = (bytes: Buffer): string => {
    const digest = digestOf(bytes);
    const path = join(dir, 'blobs/sha256', digest.slice(7));
    spawnSync('mkdir', ['-p', join(dir, 'blobs/sha256')]);
    writeFileSync(path, bytes);
    return digest;
  };
  const manifests = images.map(({ architecture, image }) => {
    for (const blob of image.blobs) put(blob);
    put(image.manifest);
    return {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: image.digest,
      size: image.manifest.length,
      platform: { os: 'linux', architecture },
    };
  });
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  const top = { mediaType, digest: put(index), size: index.length };
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [top] }));
  writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

describeWith(['skopeo'], 'skopeo', () => {
  test('pushes and pulls an image for several machines, byte for byte', async () => {
    await serve();
    layoutOf(join(folder, 'in'));
    const remote = `docker://127.0.0.1:${depot?.port}/lab/multi:v1`;
    skopeo(
      'copy',
      '--all',
      '--preserve-digests',
      '--dest-tls-verify=false',
      `oci:${join(folder, 'in')}`,
      remote,
    );
    skopeo(
      'copy',
      '--all',
      '--preserve-digests',
      '--src-tls-verify=false',
      remote,
      `oci:${join(folder, 'out')}`,
    );
    const digests = ['in', 'out'].map((name) => {
      const [top] = JSON.parse(readFileSync(join(folder, name, 'index.json'), 'utf8')).manifests;
      return top.digest;
    });
    expect(digests[1]).toBe(digests[0]);
    expect(JSON.parse(skopeo('list-tags', '--tls-verify=false', remote.replace(':v1', ''))).Tags).toEqual([
      'v1',
    ]);
  });

  test('copies every tag of a repository, into a folder and back', async () => {
    await serve();
    layoutOf(join(folder, 'in'));
    const remote = `127.0.0.1:${depot?.port}/lab/synced`;
    const copy = [
      'copy',
      '--all',
      '--preserve-digests',
      '--dest-tls-verify=false',
      `oci:${join(folder, 'in')}`,
    ];
    for (const tag of ['v1', 'v2']) skopeo(...copy, `docker://${remote}:${tag}`);
    const sync = ['sync', '--all', '--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false'];
    skopeo(...sync, '--src', 'docker', '--dest', 'dir', remote, join(folder, 'out'));
    skopeo(
      ...sync,
      '--src',
      'dir',
      '--dest',
      'docker',
      join(folder, 'out'),
      `127.0.0.1:${depot?.port}/again`,
    );
    const raw = (name: string) => skopeo('inspect', '--raw', '--tls-verify=false', `docker://${name}`);
    for (const tag of ['v1', 'v2']) {
      expect(raw(`127.0.0.1:${depot?.port}/again/synced:${tag}`)).toBe(raw(`${remote}:${tag}`));
    }
  });

  test.each(['v2s2', 'oci'])('pulls as %s what was pushed as the other', async (format) => {
    await serve();
    layoutOf(join(folder, 'in'));
    const remote = `docker://127.0.0.1:${depot?.port}/lab/other:${format}`;
    const pushed = ['--override-arch', 'arm64', '--format', format === 'oci' ? 'v2s2' : 'oci'];
    skopeo('copy', ...pushed, '--dest-tls-verify=false', `oci:${join(folder, 'in')}`, remote);
    skopeo('copy', '--src-tls-verify=false', '--format', format, remote, `dir:${join(folder, 'out')}`);
    const { mediaType, layers } = JSON.parse(readFileSync(join(folder, 'out/manifest.json'), 'utf8'));
    expect(mediaType).toContain(format === 'oci' ? 'oci.image.manifest' : 'docker.distribution.manifest.v2');
    const layer = readFileSync(join(folder, 'out', layers[0].digest.slice(7)));
    expect(digestOf(layer)).toBe(layers[0].digest);
  });

  test.each(['v2s2', 'oci'])('pushes one image as %s', async (format) => {
    await serve();
    layoutOf(join(folder, 'in'));
    const remote = `docker://127.0.0.1:${depot?.port}/lab/one:${format}`;
    const from = ['--override-arch', 'amd64', '--format', format];
    skopeo('copy', ...from, '--dest-tls-verify=false', `oci:${join(folder, 'in')}`, remote);
    const { mediaType } = JSON.parse(skopeo('inspect', '--raw', '--tls-verify=false', remote));
    expect(mediaType).toContain(format === 'oci' ? 'oci.image.manifest' : 'docker.distribution.manifest.v2');
  });
});

describeWith(['skopeo'], 'skopeo where users push', () => {
  const LOGIN = 'anna:correct horse';
  const rules = {
    open: '[{repositories: "**", push: ["*"]}]',
    closed: '[{repositories: "**", read: ["*"]}]',
  };

  async function serveUsers(rule: string, more: Record<string, string> = {}): Promise<string> {
    const users = join(folder, 'users.htpasswd');
    writeUsers(users, { anna: 'correct horse' });
    await serve({ BOOTDEPOT_REGISTRY_USERS: users, BOOTDEPOT_REGISTRY_RULES: rule, ...more });
    layoutOf(join(folder, 'in'));
    return `docker://127.0.0.1:${depot?.port}/lab/multi:v1`;
  }

  function push(remote: string, ...more: string[]): void {
    skopeo('copy', '--all', '--dest-tls-verify=false', ...more, `oci:${join(folder, 'in')}`, remote);
  }

  test('logs in to push; who does not may still pull', async () => {
    const remote = await serveUsers(rules.open);
    expect(() => push(remote)).toThrow(/unauthorized|authentication required/);
    expect(() => push(remote, '--dest-creds', 'anna:wrong')).toThrow(/unauthorized|invalid username/);
    push(remote, '--dest-creds', LOGIN);
    expect(skopeo('inspect', '--raw', '--tls-verify=false', remote)).toContain('arm64');
  });

  test('logs in to pull, and pushes from this machine', async () => {
    const remote = await serveUsers(rules.closed);
    push(remote, '--dest-creds', LOGIN);
    expect(() => skopeo('inspect', '--raw', '--tls-verify=false', remote)).toThrow(/unauthorized|required/);
    expect(skopeo('inspect', '--raw', '--tls-verify=false', '--creds', LOGIN, remote)).toContain('arm64');
  });

  test('keeps a login, and refuses to keep a wrong one', async () => {
    const remote = await serveUsers(rules.open);
    const file = join(folder, 'auth.json');
    const host = `127.0.0.1:${depot?.port}`;
    const login = (password: string) =>
      skopeo('login', '--tls-verify=false', '--authfile', file, '-u', 'anna', '-p', password, host);
    expect(() => login('wrong')).toThrow(/invalid username/);
    login('correct horse');
    push(remote, '--dest-authfile', file);
  });

  test('says why a tag that is set once is not moved', async () => {
    const remote = await serveUsers('[]', { BOOTDEPOT_REGISTRY_IMMUTABLE_TAGS: 'v*' });
    push(remote);
    push(remote);
    const other = [
      'copy',
      '--override-arch',
      'amd64',
      '--dest-tls-verify=false',
      `oci:${join(folder, 'in')}`,
    ];
    expect(() => skopeo(...other, remote)).toThrow(/denied: the tag v1 is set once/);
  });
});

describeWith(['skopeo'], 'skopeo through an upstream', () => {
  test('copies an image that only the upstream had, and again when that is gone', async () => {
    await serve();
    const upstream = depot;
    layoutOf(join(folder, 'in'));
    const source = `docker://127.0.0.1:${upstream?.port}/coreos/multi:v1`;
    skopeo('copy', '--all', '--dest-tls-verify=false', `oci:${join(folder, 'in')}`, source);
    const folders = [
      '--assets',
      join(folder, 'a'),
      '--keys',
      join(folder, 'k'),
      '--data',
      join(folder, 'through'),
    ];
    depot = await startDepot(folders, {
      BOOTDEPOT_REGISTRY_UPSTREAMS: `{ quay.io: { url: "${upstream?.url}" } }`,
    });
    const remote = `docker://127.0.0.1:${depot.port}/quay.io/coreos/multi:v1`;
    const listed = skopeo('list-tags', '--tls-verify=false', remote.replace(/:v1$/, ''));
    expect(JSON.parse(listed).Tags).toEqual(['v1']);
    skopeo(
      'copy',
      '--all',
      '--preserve-digests',
      '--src-tls-verify=false',
      remote,
      `dir:${join(folder, 'one')}`,
    );
    await upstream?.stop();
    skopeo(
      'copy',
      '--all',
      '--preserve-digests',
      '--src-tls-verify=false',
      remote,
      `dir:${join(folder, 'two')}`,
    );
    const [one, two] = ['one', 'two'].map((name) => readFileSync(join(folder, name, 'manifest.json')));
    expect(one?.equals(two ?? Buffer.alloc(0))).toBe(true);
    expect(JSON.parse(String(one)).manifests).toHaveLength(2);
  });
});

describeWith(['docker-registry'], 'the reference registry on the same folder', () => {
  const images = [0, 1, 2].map((index) => imageOf([`layer ${index}`, 'shared layer']));

  async function expectImage(
    client: RegistryClient,
    name: string,
    tag: string,
    index: number,
  ): Promise<void> {
    const image = images[index];
    const answer = await client.get(`${name}/manifests/${tag}`, {
      Accept: '*/*, application/vnd.oci.image.manifest.v1+json',
    });
    expect(answer.status).toBe(200);
    expect(digestOf(Buffer.from(await answer.arrayBuffer()))).toBe(image?.digest);
    for (const blob of image?.blobs ?? []) {
      const got = await client.get(`${name}/blobs/${digestOf(blob)}`);
      expect(Buffer.from(await got.arrayBuffer()).equals(blob)).toBe(true);
    }
  }

  test('serves what we pushed, as we serve what it was pushed, in turns', async () => {
    const pushed: [name: string, index: number][] = [];
    for (const index of images.keys()) {
      for (const [name, start] of [
        ['lab/ours', serve],
        ['lab/theirs', serveReference],
      ] as const) {
        const client = await start();
        for (const [earlier, of] of pushed) await expectImage(client, earlier, `v${of}`, of);
        await pushOne(client, name, index);
        pushed.push([name, index]);
        await stopAll();
      }
    }
    const client = await serve();
    await expectImage(client, 'lab/moved', 'now', images.length - 1);
    const { repositories } = JSON.parse(await (await client.get('_catalog')).text());
    expect(repositories).toEqual(['lab/moved', 'lab/ours', 'lab/theirs']);
  }, 60_000);

  async function pushOne(client: RegistryClient, name: string, index: number): Promise<void> {
    const image = images[index];
    if (image === undefined) throw new Error('no such image');
    await client.push(name, `v${index}`, image);
    await client.push('lab/moved', 'now', image);
    await expectImage(client, 'lab/moved', 'now', index);
    const { tags } = JSON.parse(await (await client.get('lab/moved/tags/list')).text());
    expect(tags).toEqual(['now']);
  }

  test('leaves SHA-512 names that we serve, and that it serves after us', async () => {
    const bytes = Buffer.from('by SHA-512');
    const digest = digestOf(bytes, 'sha512');
    const path = `lab/names/blobs/${digest}`;
    const client = await serveReference();
    expect((await client.pushBlob('lab/names', bytes, digest)).status).toBe(201);
    await stopAll();
    const link = join(
      folder,
      'd/registry/docker/registry/v2/repositories/lab/names/_layers/sha512',
      digest.slice(7),
      'link',
    );
    expect(readFileSync(link, 'latin1')).toBe(digestOf(bytes));
    const ours = await (await serve()).get(path);
    expect([ours.status, ours.headers.get('docker-content-digest')]).toEqual([200, digest]);
    expect(await ours.text()).toBe(bytes.toString());
    await stopAll();
    expect(readFileSync(link, 'latin1')).toBe(digest);
    const theirs = await serveReference();
    expect(await (await theirs.get(path)).text()).toBe(bytes.toString());
    const mounted = await theirs.ask('POST', `lab/mounted/blobs/uploads/?mount=${digest}&from=lab/names`);
    expect(mounted.status).toBe(201);
    expect(await (await theirs.get(`lab/mounted/blobs/${digest}`)).text()).toBe(bytes.toString());
  }, 60_000);

  test('finds nothing to collect of what we keep', async () => {
    const client = await serve();
    for (const [index, image] of images.entries()) await client.push('lab/live', `v${index}`, image);
    await stopAll();
    await serveReference();
    await stopAll();
    const dry = spawnSync(
      'docker-registry',
      ['garbage-collect', '--dry-run', join(folder, 'reference.yml')],
      { encoding: 'utf8' },
    );
    expect(dry.status).toBe(0);
    expect(dry.stdout + dry.stderr).toMatch(/ 0 blobs and 0 manifests eligible for deletion/);
  });
});
