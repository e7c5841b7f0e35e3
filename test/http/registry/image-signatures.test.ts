/** Signatures of images over HTTP: the lookaside, the extension, and what is signed as it is pushed. */
import { mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isDigest } from '../../../server/oci/digest.js';
import { parseContainerSignature, signContainer } from '../../../server/openpgp/container-signature.js';
import { pushIndex } from '../../fixtures/image-index.js';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { codesOf, digestOf, imageOf, RegistryClient } from '../../fixtures/registry-client.js';
import { loadTestKey, testKeyFolder } from '../../fixtures/test-key.js';
import { until } from '../../fixtures/until.js';
import { basic, writeUsers } from '../../fixtures/users.js';

let folder: string;
let keys: string;
let depot: LiveDepot;
let client: RegistryClient;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-signed-'));
  keys = await testKeyFolder(folder);
  const users = join(folder, 'users.htpasswd');
  writeUsers(users, { anna: 'correct horse' });
  depot = await startLiveDepot({
    settings: {
      'keys.dir': keys,
      'registry.signOnPush': ['team/**', 'quay.io/**'],
      'registry.signedHosts': ['depot.lan:5000'],
      'registry.signatureExtension': true,
      'registry.users': users,
      'registry.rules': [{ repositories: 'closed/**', read: ['anna'], push: ['anna'] }],
    },
  });
  client = new RegistryClient(depot.urls[0] ?? '');
});
afterAll(async () => {
  await depot.remove();
  await rm(folder, { recursive: true, force: true });
});

const at = (path: string, init?: RequestInit) => fetch(new URL(path, depot.urls[0]), init);
const lookaside = (name: string, digest: string, number: number) =>
  at(`/lookaside/${name}@${digest.replace(':', '=')}/signature-${number}`);

/** The names that the signatures of a manifest vouch for, read as clients do. */
async function identities(name: string, digest: string): Promise<string[]> {
  const found: string[] = [];
  for (let number = 1; ; number += 1) {
    const answer = await lookaside(name, digest, number);
    if (answer.status === 404) return found;
    const read = await parseContainerSignature(Buffer.from(await answer.arrayBuffer()));
    expect(read.digest).toBe(digest);
    found.push(read.identity);
  }
}

const settled = async () => {
  const text = await (await at('/metrics')).text();
  return /^bootdepot_images_waiting_for_signatures 0$/m.test(text);
};

describe('an image that is pushed', () => {
  test('is signed: its index and each manifest in it, once however often it is pushed', async () => {
    const pushed = await pushIndex(client, 'team/app', 'v1');
    for (const digest of Object.values(pushed)) {
      await until(async () => (await lookaside('team/app', digest, 1)).status === 200);
    }
    await pushIndex(client, 'team/app', 'v1');
    await until(settled);
    for (const digest of Object.values(pushed)) {
      expect(await identities('team/app', digest)).toEqual(['depot.lan:5000/team/app:v1']);
    }
    expect(await (await at('/metrics')).text()).toMatch(/^bootdepot_images_signed_total [1-9]/m);
  });

  test('is signed for each of its tags, and for the name it has at its upstream', async () => {
    const image = imageOf(['two names']);
    await client.push('quay.io/coreos/app', 'v1', image);
    await client.pushManifest('quay.io/coreos/app', 'v2', image.manifest);
    await until(async () => (await lookaside('quay.io/coreos/app', image.digest, 4)).status === 200);
    expect((await identities('quay.io/coreos/app', image.digest)).sort()).toEqual([
      'depot.lan:5000/quay.io/coreos/app:v1',
      'depot.lan:5000/quay.io/coreos/app:v2',
      'quay.io/coreos/app:v1',
      'quay.io/coreos/app:v2',
    ]);
  });

  test('is not signed where no pattern says so', async () => {
    const image = imageOf(['unsigned']);
    await client.push('other/app', 'v1', image);
    await client.push('team/after', 'v1', image);
    await until(async () => (await lookaside('team/after', image.digest, 1)).status === 200);
    expect(await identities('other/app', image.digest)).toEqual([]);
  });
});

describe('/lookaside', () => {
  test.each([
    '',
    '/',
    '/team',
    '/team/app',
    '/team/',
    `/none/app@sha256=${'ab'.repeat(32)}/signature-1`,
    `/team/app@sha256=${'ab'.repeat(32)}/`,
    '/%',
    '/%E0%A4%A/signature-1',
    '/%00/signature-1',
    '/..%2f..%2fkeys/signing-key.asc',
    '/../keys/signing-key.asc',
    `/${'x/'.repeat(150)}signature-1`,
    `/${'n'.repeat(300)}@sha256=${'ab'.repeat(32)}/signature-1`,
    '/team/app@sha256=zz/signature-1',
    '/team/app/signature-1?x=%',
  ])('answers 404 to %j', async (path) => {
    const answer = await at(`/lookaside${path}`);
    expect([answer.status, await answer.text()]).toEqual([404, 'not found\n']);
  });

  test('answers as clients write it, percent-encoded, and to HEAD', async () => {
    const image = imageOf(['encoded']);
    await client.push('team/enc', 'v1', image);
    await until(async () => (await lookaside('team/enc', image.digest, 1)).status === 200);
    const hex = image.digest.slice(7);
    const plain = await at(`/lookaside/team/enc@sha256=${hex}/signature-1`);
    expect(plain.headers.get('content-type')).toBe('application/octet-stream');
    const encoded = await at(`/lookaside/team%2Fenc%40sha256%3D${hex}/signature-1?x=1`);
    expect(Buffer.from(await encoded.arrayBuffer())).toEqual(Buffer.from(await plain.arrayBuffer()));
    const head = await at(`/lookaside/team/enc@sha256=${hex}/signature-1`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([
      200,
      plain.headers.get('content-length'),
    ]);
    const put = await at(`/lookaside/team/enc@sha256=${hex}/signature-1`, { method: 'PUT', body: 'x' });
    expect(put.status).toBe(405);
  });

  test('answers 404 where the disk gives nothing, and says so in the log', async () => {
    const image = imageOf(['unreadable']);
    await client.push('team/loop', 'v1', image);
    await until(async () => (await lookaside('team/loop', image.digest, 1)).status === 200);
    const dir = join(depot.folder, 'data/lookaside/team', `loop@${image.digest.replace(':', '=')}`);
    await rm(join(dir, 'signature-1'));
    await symlink('signature-1', join(dir, 'signature-1'));
    expect((await lookaside('team/loop', image.digest, 1)).status).toBe(404);
    expect(depot.log().some(({ msg }) => msg === 'a signature of an image cannot be read')).toBe(true);
  });
});

describe('the signature extension', () => {
  const sent = (bytes: Uint8Array, digest: string, more: object = {}) =>
    JSON.stringify({
      schemaVersion: 2,
      name: `${digest}@${'0'.repeat(32)}`,
      type: 'atomic',
      content: Buffer.from(bytes).toString('base64'),
      ...more,
    });

  async function signatureFor(digest: string, identity = 'elsewhere.lan/app:v1'): Promise<Buffer> {
    if (!isDigest(digest)) throw new Error('no digest');
    const signing = { key: await loadTestKey(), hashName: 'sha256', now: new Date() } as const;
    return signContainer({ digest, identity }, signing);
  }

  const put = (name: string, digest: string, body: string, headers: Record<string, string> = {}) =>
    at(`/extensions/v2/${name}/signatures/${digest}`, { method: 'PUT', body, headers });

  test('is told of at /v2/, and lists what the lookaside has', async () => {
    expect((await client.get('')).headers.get('x-registry-supports-signatures')).toBe('1');
    const image = imageOf(['extension']);
    await client.push('team/ext', 'v1', image);
    await until(async () => (await lookaside('team/ext', image.digest, 1)).status === 200);
    const file = Buffer.from(await (await lookaside('team/ext', image.digest, 1)).arrayBuffer());
    const answer = await at(`/extensions/v2/team/ext/signatures/${image.digest}`);
    const { signatures } = JSON.parse(await answer.text());
    expect(signatures).toEqual([
      {
        schemaVersion: 2,
        name: expect.stringMatching(new RegExp(`^${image.digest}@[0-9a-f]{32}$`)),
        type: 'atomic',
        content: file.toString('base64'),
      },
    ]);
  });

  test('has an empty list where there is no signature', async () => {
    const answer = await at(`/extensions/v2/team/none/signatures/${digestOf('none')}`);
    expect([answer.status, await answer.text()]).toEqual([200, '{"signatures":[]}']);
  });

  test('takes a signature that names the manifest, once', async () => {
    const image = imageOf(['put']);
    await client.push('other/put', 'v1', image);
    const bytes = await signatureFor(image.digest);
    for (let time = 0; time < 2; time += 1) {
      expect((await put('other/put', image.digest, sent(bytes, image.digest))).status).toBe(201);
    }
    expect(await identities('other/put', image.digest)).toEqual(['elsewhere.lan/app:v1']);
  });

  test('refuses what clients could not use', async () => {
    const image = imageOf(['refused']);
    await client.push('other/refused', 'v1', image);
    const { digest } = image;
    const good = await signatureFor(digest);
    const changed = Buffer.from(good);
    changed.write('F', changed.indexOf('elsewhere'));
    const bodies = [
      sent(await signatureFor(digestOf('another')), digest),
      sent(changed, digest),
      sent(Buffer.from('hello'), digest),
      sent(good, digest, { type: 'cosign' }),
      sent(good, digest, { content: '%' }),
      'no JSON',
    ];
    for (const body of bodies) {
      const answer = await put('other/refused', digest, body);
      expect([answer.status, await codesOf(answer)]).toEqual([400, ['UNKNOWN']]);
    }
    expect((await put('other/refused', digest, 'x'.repeat(200_000))).status).toBe(413);
    const unknown = digestOf('not here');
    const answer = await put('other/refused', unknown, sent(await signatureFor(unknown), unknown));
    expect([answer.status, await codesOf(answer)]).toEqual([404, ['MANIFEST_UNKNOWN']]);
    expect(await identities('other/refused', digest)).toEqual([]);
  });

  test('asks whoever writes to a closed repository to log in', async () => {
    const digest = digestOf('closed');
    const path = `/extensions/v2/closed/app/signatures/${digest}`;
    expect((await at(path)).status).toBe(401);
    const body = sent(await signatureFor(digest), digest);
    expect((await put('closed/app', digest, body)).status).toBe(401);
    expect((await put('closed/app', digest, body, basic('anna', 'correct horse'))).status).toBe(404);
    const challenge = await client.get('');
    expect(challenge.headers.get('x-registry-supports-signatures')).toBe('1');
  });
});

describe('where signing fails', () => {
  test('it is tried again, and an image that waited is signed in the end', async () => {
    const key = join(keys, 'signing-key.asc');
    await rename(key, join(folder, 'away'));
    const image = imageOf(['late']);
    await client.push('team/late', 'v1', image);
    const failed = async () =>
      /^bootdepot_images_signing_failed_total [1-9]/m.test(await (await at('/metrics')).text());
    await until(failed);
    expect(await identities('team/late', image.digest)).toEqual([]);
    await rename(join(folder, 'away'), key);
    // The next push wakes what waits.
    await client.push('team/next', 'v1', image);
    await until(async () => (await lookaside('team/late', image.digest, 1)).status === 200);
  });

  test('a depot that starts signs what nobody has signed', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'bootdepot-start-'));
    const data = join(parent, 'data');
    await mkdir(data);
    const first = await startLiveDepot({ settings: { 'data.dir': data } });
    const image = imageOf(['before']);
    await new RegistryClient(first.urls[0] ?? '').push('team/before', 'v1', image);
    await first.remove();
    const settings = { 'data.dir': data, 'keys.dir': keys, 'registry.signOnPush': ['**'] };
    await expect(startLiveDepot({ settings })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const second = await startLiveDepot({ settings: { ...settings, publicUrl: 'http://depot.lan:8080' } });
    const url = `${second.urls[0]}/lookaside/team/before@${image.digest.replace(':', '=')}/signature-1`;
    await until(async () => (await fetch(url)).status === 200);
    const { status } = await fetch(`${second.urls[0]}/extensions/v2/team/before/signatures/${image.digest}`);
    expect(status).toBe(404);
    expect((await fetch(`${second.urls[0]}/v2/`)).headers.has('x-registry-supports-signatures')).toBe(false);
    await second.remove();
    await rm(parent, { recursive: true, force: true });
  });
});
