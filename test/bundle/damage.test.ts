/** Bundles with one wrong byte, cut short, or made to do harm: each is refused with the name of what is wrong in it. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verifyBundle } from '../../server/bundle/verify-bundle.js';
import { DepotError } from '../../server/errors.js';
import { armorSignature, signHashed } from '../../server/openpgp/detached.js';
import { BundleDepot, piecesOf } from '../fixtures/bundle-depot.js';
import { readTar } from '../fixtures/read-tar.js';
import { digestOf, imageOf } from '../fixtures/registry-client.js';
import { buildTar, type TarMember } from '../fixtures/tar.js';
import { loadTestKey } from '../fixtures/test-key.js';

let from: BundleDepot;
let bundle: Buffer;
beforeAll(async () => {
  from = await (await BundleDepot.make()).withKey();
  await from.push('coreos/etcd', 'v3', imageOf(['a layer']));
  from.asset('flatcar/vmlinuz', 'a kernel');
  from.asset('flatcar/vmlinuz.sig', 'its signature');
  from.lookaside(`coreos/etcd@sha256=${imageOf(['a layer']).digest.slice(7)}/signature-1`, 'a signature');
  bundle = await from.bundle();
});
afterAll(() => from.remove());

/** The failure that is expected. */
async function failureOf(work: Promise<unknown>): Promise<Pick<DepotError, 'code' | 'message'>> {
  try {
    await work;
  } catch (error) {
    if (error instanceof DepotError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

async function verify(bytes: Uint8Array): Promise<unknown> {
  const keyring = [(await loadTestKey()).certificate];
  return verifyBundle({ chunks: piecesOf(bytes, 4096), keyring, now: new Date() });
}

function flipped(at: number): Buffer {
  const bytes = Buffer.from(bundle);
  bytes[at] = (bytes[at] ?? 0) ^ 0x04;
  return bytes;
}

/** Every file of the bundle with the place of its header, of its first byte, and of what follows it. */
function placesIn(bytes: Buffer) {
  let offset = 0;
  return readTar(bytes).entries.map(({ entry, data }) => {
    const place = {
      name: Buffer.from(entry.name, 'latin1').toString(),
      header: offset,
      data: offset + 512,
      size: data.length,
    };
    offset += 512 + Math.ceil(data.length / 512) * 512;
    return place;
  });
}

/** Whether all that can be seen of a depot is what the source has. */
async function expectNothingWrong(depot: BundleDepot): Promise<void> {
  for (const [name] of depot.files()) {
    const asset = /^assets\/(.*)$/.exec(name)?.[1];
    if (asset !== undefined && !asset.includes('.bootdepot-'))
      expect(depot.readAsset(asset)).toBe(from.readAsset(asset));
  }
  for (const content of ['a layer']) {
    const read = await depot.readBlob('coreos/etcd', digestOf(content));
    expect([undefined, content]).toContain(read);
  }
  expect(await depot.tag('coreos/etcd', 'v3')).toBeUndefined();
}

describe('one wrong byte', () => {
  test('in each part of each file is found by verify, which names the file', async () => {
    await verify(bundle);
    const inHeader = {
      name: 3,
      mode: 104,
      size: 130,
      time: 140,
      checksum: 150,
      type: 156,
      link: 160,
      rest: 510,
    };
    for (const { name, header, data, size } of placesIn(bundle)) {
      const parts: Record<string, number> = { first: data, last: data + size - 1, padding: data + size };
      for (const [part, at] of Object.entries(inHeader)) parts[`header ${part}`] = header + at;
      for (const [part, at] of Object.entries(parts)) {
        const { code, message } = await failureOf(verify(flipped(at)));
        expect([name, part, code]).toEqual([name, part, 'BUNDLE_INVALID']);
        expect(message).toContain(
          name === 'bundle.json.asc' || name === 'bundle.json' ? 'bundle.json' : name,
        );
      }
    }
    for (const back of [1, 600, 1024]) {
      expect((await failureOf(verify(flipped(bundle.length - back)))).message).toContain(
        'the end of the bundle',
      );
    }
  });

  test('stops load at that file: nothing wrong can be seen, no tag is set, and the next load goes on', async () => {
    const to = await BundleDepot.make();
    for (const { name, data, size } of placesIn(bundle).filter(
      ({ name }) => !name.startsWith('bundle.json'),
    )) {
      const { code, message } = await failureOf(to.load(flipped(data + size - 1)));
      expect([code, message]).toEqual(['BUNDLE_INVALID', expect.stringContaining(name)]);
      await expectNothingWrong(to);
    }
    expect(await to.load(bundle)).toMatchObject({ added: 1 });
    expect(await to.tag('coreos/etcd', 'v3')).toBe(imageOf(['a layer']).digest);
    to.remove();
  });

  test('in any byte of the signature', async () => {
    const { data, size } = placesIn(bundle).find(({ name }) => name === 'bundle.json.asc') ?? {
      data: 0,
      size: 0,
    };
    for (let at = data; at < data + size; at += 7) {
      const { code } = await failureOf(verify(flipped(at)));
      expect([at, code]).toEqual([at, expect.stringMatching(/^BUNDLE_(INVALID|UNTRUSTED)$/)]);
    }
  });
});

test('a bundle that is cut anywhere says where it ends', async () => {
  const to = await BundleDepot.make();
  for (let length = 0; length < bundle.length; length += 777) {
    const { code, message } = await failureOf(to.load(bundle.subarray(0, length)));
    expect([length, code]).toEqual([length, 'BUNDLE_INVALID']);
    expect(message).toContain('is cut short: it ends within');
    await expectNothingWrong(to);
  }
  to.remove();
});

test('what follows the end is not read: devices are larger than bundles', async () => {
  await verify(Buffer.concat([bundle, Buffer.alloc(3000, 'x')]));
});

describe('a signed bundle that is made to do harm', () => {
  const file = (path: string, content = 'x', more: object = {}) => ({
    ...{ path, size: content.length, digest: digestOf(content) },
    ...more,
  });

  /** A bundle with any contents, signed as it should be. */
  async function signed(contents: object, members: readonly TarMember[]): Promise<Buffer> {
    const json = `${JSON.stringify({ format: 'bootdepot-bundle/1', images: [], files: [], ...contents })}\n`;
    const hash = createHash('sha512').update(json);
    const signature = await armorSignature(await signHashed(await loadTestKey(), hash, 'sha512', new Date()));
    return buildTar([
      { name: 'bundle.json', content: json },
      { name: 'bundle.json.asc', content: signature },
      ...members,
    ]);
  }

  async function refusalOf(contents: object, members: readonly TarMember[] = []): Promise<string> {
    const to = await BundleDepot.make();
    const { code, message } = await failureOf(to.load(await signed(contents, members)));
    expect(code).toBe('BUNDLE_INVALID');
    expect([...to.files().keys()].filter((name) => !/^assets\/(good|late)$/.test(name))).toEqual([]);
    to.remove();
    return message;
  }

  test('is otherwise taken', async () => {
    const to = await BundleDepot.make();
    const good = await signed({ files: [file('assets/good')] }, [{ name: 'assets/good', content: 'x' }]);
    expect(await to.load(good)).toMatchObject({ added: 1 });
    to.remove();
  });

  test.each([
    '../etc/passwd',
    '/etc/passwd',
    'assets/../../x',
    'assets/.hidden',
    'assets//x',
    'assets/',
    'assets/a\\b',
    'assets/a\0b',
    `assets/${'n'.repeat(256)}`,
    'keys/signing-key.asc',
    'keys/trusted/x.asc',
    'blobs/sha256/abc',
    'blobs/md5/abc',
    'lookaside/../x/signature-1',
    'data/registry/x',
    'bundle.json',
  ])('a path that no bundle has: %j', async (path) => {
    expect(await refusalOf({ files: [file(path)] }, [{ name: path, content: 'x' }])).toContain(
      JSON.stringify(path),
    );
  });

  test('one path twice, a file that is a folder, a blob with another digest', async () => {
    expect(await refusalOf({ files: [file('assets/a'), file('assets/a')] })).toContain('"assets/a" twice');
    expect(await refusalOf({ files: [file('assets/a'), file('assets/a/b')] })).toContain(
      'a file and a folder',
    );
    expect(await refusalOf({ files: [file(`blobs/sha256/${'0'.repeat(64)}`)] })).toContain('has the digest');
    const base = { bundle: digestOf('base'), files: [file('assets/a')] };
    expect(await refusalOf({ base, files: [file('assets/a')] })).toContain('"assets/a" twice');
  });

  test('images that need what is not there, fields that nobody knows, sizes that are none', async () => {
    const manifest = { digest: digestOf('x'), blobs: [digestOf('y')], manifests: [] };
    const image = (more: object) => ({
      images: [{ repository: 'a', tags: [], manifests: [], ...more }],
      files: [file(`blobs/sha256/${digestOf('x').slice(7)}`)],
    });
    expect(await refusalOf(image({ manifests: [manifest] }))).toContain(`needs ${digestOf('y')}`);
    expect(await refusalOf(image({ tags: [{ tag: 'v1', digest: digestOf('x') }] }))).toContain('a:v1');
    expect(await refusalOf(image({ repository: '../a' }))).toContain('images.0.repository');
    expect(await refusalOf({ more: 1 })).toContain('bundle.json');
    expect(await refusalOf({ format: 'bootdepot-bundle/2' })).toContain('expected bootdepot-bundle/1');
    for (const size of [-1, 0.5, 2 ** 60, '1']) {
      expect(await refusalOf({ files: [file('assets/a', 'x', { size })] })).toContain('files.0.size');
    }
  });

  test('a manifest of other content than bundle.json says', async () => {
    const image = imageOf(['a layer nobody named']);
    const text = image.manifest.toString();
    const path = `blobs/sha256/${image.digest.slice(7)}`;
    const contents = {
      images: [
        {
          repository: 'a',
          tags: [{ tag: 'v1', digest: image.digest }],
          manifests: [{ digest: image.digest, blobs: [], manifests: [] }],
        },
      ],
      files: [file(path, text)],
    };
    const to = await BundleDepot.make();
    const { message } = await failureOf(to.load(await signed(contents, [{ name: path, content: text }])));
    expect(message).toContain('of which bundle.json does not know');
    expect(await to.tag('a', 'v1')).toBeUndefined();
    to.remove();
  });

  test('entries of the tar that are not what bundle.json says', async () => {
    const good = { files: [file('assets/good'), file('assets/late')] };
    const first = { name: 'assets/good', content: 'x' };
    const refused = (member: TarMember) => refusalOf(good, [first, member]);
    expect(await refused({ name: 'assets/late', type: '2', linkName: '/etc/passwd' })).toContain(
      'a link to "/etc/passwd"',
    );
    expect(await refused({ name: 'assets/late', type: '1', linkName: 'assets/good' })).toContain(
      'assets/late',
    );
    expect(await refused({ name: 'assets/late', type: '5' })).toContain('of type "5"');
    expect(await refused({ name: '../../late', content: 'x' })).toContain('"../../late"');
    expect(await refused({ name: 'assets/late', content: 'xx' })).toContain('2 bytes');
    expect(await refused({ name: 'assets/late', content: 'y' })).toContain('assets/late has the digest');
    expect(await refused({ name: 'assets/late', content: 'x', pax: { path: 'assets/other' } })).toContain(
      'assets/late',
    );
    expect(await refused({ name: 'assets/late', content: 'x', mode: 0o4755 })).toContain('assets/late');
    expect(
      await refusalOf(good, [
        first,
        { name: 'assets/late', content: 'x' },
        { name: 'assets/more', content: 'x' },
      ]),
    ).toContain('expected nothing more, found "assets/more"');
    expect(await refusalOf(good, [first])).toContain('assets/late');
  });

  test('a list that is a bomb, a signature that is one, and what is no bundle', async () => {
    const bomb = buildTar([{ name: 'bundle.json', content: '', size: 2 ** 32 }]);
    expect((await failureOf(verify(bomb))).message).toContain('bundle.json: 4294967296 bytes, expected');
    const signature = buildTar([
      { name: 'bundle.json', content: '{}' },
      { name: 'bundle.json.asc', content: '', size: 2 ** 32 },
    ]);
    expect((await failureOf(verify(signature))).message).toContain('bundle.json.asc: 4294967296 bytes');
    expect((await failureOf(verify(Buffer.alloc(5000, 'text ')))).message).toContain('not a bundle');
    expect((await failureOf(verify(buildTar([{ name: 'x', content: 'y' }])))).message).toContain(
      '"x", 1 bytes',
    );
  });
});
