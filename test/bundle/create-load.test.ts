/** Bundles from one depot into another: what arrives, what is left alone, and in which order. */
import { appendFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readEarlierBundle } from '../../server/bundle/bundle-input.js';
import { verifyBundle } from '../../server/bundle/verify-bundle.js';
import { parseDigest } from '../../server/oci/digest.js';
import { parseRepositoryName, parseTag } from '../../server/oci/reference.js';
import { BundleDepot, MemorySink, piecesOf } from '../fixtures/bundle-depot.js';
import { readTar } from '../fixtures/read-tar.js';
import { digestOf, imageOf, OCI_IMAGE } from '../fixtures/registry-client.js';
import { loadTestKey } from '../fixtures/test-key.js';

const ETCD = imageOf(['etcd layer', 'shared layer']);
const DNS = imageOf(['dns layer', 'shared layer']);
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

let from: BundleDepot;
let to: BundleDepot;
beforeEach(async () => {
  from = await (await BundleDepot.make()).withKey();
  to = await BundleDepot.make();
  await from.push('coreos/etcd', 'v3', ETCD);
  await from.push('dns', '1.5', DNS);
  from.asset('flatcar/vmlinuz', 'a kernel');
  from.asset('flatcar/vmlinuz.sig', 'its signature');
  from.asset('coreos-etcd:v3.aci', Buffer.alloc(70_000, 'x'));
  from.asset('ü b.txt', 'a name in UTF-8');
});
afterEach(() => {
  from.remove();
  to.remove();
});

const namesIn = (bundle: Buffer) =>
  readTar(bundle).entries.map(({ entry }) => Buffer.from(entry.name, 'latin1').toString());

describe('what arrives', () => {
  test('images with their tags, assets with their signatures, certificates', async () => {
    const loaded = await to.load(await from.bundle());
    expect(await to.tag('coreos/etcd', 'v3')).toBe(ETCD.digest);
    expect(await to.tag('dns', '1.5')).toBe(DNS.digest);
    expect(await to.readBlob('dns', digestOf('dns layer'))).toBe('dns layer');
    for (const name of ['flatcar/vmlinuz', 'flatcar/vmlinuz.sig', 'coreos-etcd:v3.aci', 'ü b.txt']) {
      expect(to.readAsset(name)).toBe(from.readAsset(name));
    }
    const { fingerprint } = (await loadTestKey()).certificate;
    expect(loaded).toMatchObject({ signer: fingerprint, added: 11, present: 0 });
    expect(readdirSync(to.keysDir)).toEqual([`${fingerprint}.asc`]);
    expect([...to.files().keys()].filter((name) => name.includes('.bootdepot-'))).toEqual([]);
  });

  test('a blob of one repository is not one of another: links are those of the source', async () => {
    await to.load(await from.bundle());
    expect(await to.readBlob('dns', digestOf('etcd layer'))).toBeUndefined();
    expect(await to.readBlob('coreos/etcd', digestOf('shared layer'))).toBe('shared layer');
  });

  test('all platforms of an index, its referrers, and what tags say of it; a child that was never pulled is left out', async () => {
    const arm = imageOf(['arm layer']);
    const describe = (digest: string, size: number) => ({ mediaType: OCI_IMAGE, digest, size });
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [describe(arm.digest, arm.manifest.length), describe(digestOf('elsewhere'), 9)],
      }),
    );
    await from.push('multi', arm.digest, arm);
    await from.registry.manifests.keep(parseRepositoryName('multi'), parseDigest(digestOf(index)), {
      bytes: index,
      contentType: undefined,
      tags: [],
    });
    await from.registry.tags.set(parseRepositoryName('multi'), parseTag('v1'), parseDigest(digestOf(index)));
    const referrer = imageOf(['a signature'], { subject: describe(arm.digest, arm.manifest.length) });
    await from.push('multi', referrer.digest, referrer);
    const cosign = imageOf(['cosign']);
    await from.push('multi', `${digestOf(index).replace(':', '-')}.sig`, cosign);
    const unrelated = imageOf(['unrelated']);
    await from.push('multi', 'v2', unrelated);
    await to.load(await from.bundle({ choice: { images: ['multi:v1'], files: [] } }));
    expect(await to.tag('multi', 'v1')).toBe(digestOf(index));
    for (const { digest } of [arm, referrer, cosign]) expect(await to.tag('multi', digest)).toBe(digest);
    expect(await to.tag('multi', `${digestOf(index).replace(':', '-')}.sig`)).toBe(cosign.digest);
    expect(await to.tag('multi', unrelated.digest)).toBeUndefined();
    const listed: string[] = [];
    for await (const { digest } of to.registry.referrers.list(
      parseRepositoryName('multi'),
      parseDigest(arm.digest),
    ))
      listed.push(digest);
    expect(listed).toEqual([referrer.digest]);
  });

  test('SHA-512 content, by its name', async () => {
    const layer = Buffer.from('a long name');
    const image = imageOf([]);
    const manifest = Buffer.from(
      JSON.stringify({
        ...JSON.parse(image.manifest.toString()),
        layers: [{ mediaType: 'x/y', digest: digestOf(layer, 'sha512'), size: layer.length }],
      }),
    );
    for (const blob of image.blobs) await from.blob('long', digestOf(blob), blob);
    await from.blob('long', digestOf(layer, 'sha512'), layer);
    await from.manifest('long', digestOf(manifest, 'sha512'), manifest);
    const bundle = await from.bundle({ choice: { images: ['long'], files: [] } });
    expect(namesIn(bundle)).toContain('SHA512SUMS');
    await to.load(bundle);
    expect(await to.tag('long', digestOf(manifest, 'sha512'))).toBe(digestOf(manifest, 'sha512'));
    expect(await to.readBlob('long', digestOf(layer, 'sha512'))).toBe('a long name');
  });

  test('signatures of images join those that are here, under the next free name', async () => {
    const folder = `coreos/etcd@sha256=${ETCD.digest.slice(7)}`;
    from.lookaside(`${folder}/signature-1`, 'of the source');
    from.lookaside(`gone@sha256=${'0'.repeat(64)}/signature-1`, 'of an image that is not here');
    to.lookaside(`${folder}/signature-1`, 'of the site');
    const bundle = await from.bundle();
    for (let twice = 0; twice < 2; twice += 1) await to.load(bundle);
    expect(readdirSync(join(to.lookasideDir, folder)).sort()).toEqual(['signature-1', 'signature-2']);
    expect(readdirSync(to.lookasideDir)).toEqual(['coreos']);
  });

  test('an empty depot makes a bundle that can be loaded', async () => {
    const empty = await (await BundleDepot.make()).withKey();
    const bundle = await empty.bundle();
    empty.remove();
    expect((await to.load(bundle)).manifests).toEqual([]);
  });
});

describe('the bytes', () => {
  test('the same content gives the same bundle, in whatever order and wherever it came', async () => {
    const other = await (await BundleDepot.make()).withKey();
    for (const name of ['ü b.txt', 'coreos-etcd:v3.aci', 'flatcar/vmlinuz.sig', 'flatcar/vmlinuz'])
      other.asset(name, from.readAsset(name));
    await other.push('dns', '1.5', DNS);
    await other.push('coreos/etcd', 'v3', ETCD);
    const [one, two] = [await from.bundle(), await other.bundle()];
    other.remove();
    expect(two.equals(one)).toBe(true);
    const later = await from.bundle({ now: new Date('2025-01-01') });
    // Nothing but the signature, which holds its time.
    const changed = readTar(later).entries.filter(({ data }, at) => data !== readTar(one).entries[at]?.data);
    expect(changed.map(({ entry }) => entry.name)).toEqual(['bundle.json.asc']);
  });

  test('blobs come before manifests, a file directly before its signatures, and bundle.json before all', async () => {
    from.asset('flatcar/vmlinuz-2', 'sorts between the two');
    const names = namesIn(await from.bundle());
    expect(names.slice(0, 5)).toEqual([
      'bundle.json',
      'bundle.json.asc',
      'SHA256SUMS',
      'oci-layout',
      'index.json',
    ]);
    const kernel = names.indexOf('assets/flatcar/vmlinuz');
    expect(names[kernel + 1]).toBe('assets/flatcar/vmlinuz.sig');
    const manifests = [ETCD, DNS].map(({ digest }) => `blobs/sha256/${digest.slice(7)}`);
    expect(names.slice(-2)).toEqual(manifests);
  });

  test('a second load writes nothing', async () => {
    const bundle = await from.bundle();
    await to.load(bundle);
    const before = to.files();
    const again = await to.load(bundle);
    expect(again).toMatchObject({ added: 0, present: 11 });
    expect(
      [...to.files()].filter(([name, version]) => !/link$/.test(name) && before.get(name) !== version),
    ).toEqual([]);
  });

  test('any cut of the stream will do', async () => {
    const bundle = await from.bundle();
    await to.load(bundle, {}, 511);
    expect(await to.tag('dns', '1.5')).toBe(DNS.digest);
    const keyring = [(await loadTestKey()).certificate];
    const { contents } = await verifyBundle({
      chunks: piecesOf(bundle, 1_000_000),
      keyring,
      now: new Date(),
    });
    expect(contents.files).toHaveLength(14);
  });
});

describe('what is chosen', () => {
  const chosen = async (images: string[], files: string[]) =>
    namesIn(await from.bundle({ choice: { images, files } })).filter((name) => /^(assets|blobs)/.test(name))
      .length;

  test('globs of repositories, of tags, of files; signatures come along', async () => {
    await from.push('coreos/etcd', 'v4', DNS);
    expect(await chosen(['coreos/*:v3'], [])).toBe(4);
    expect(await chosen(['coreos/*'], [])).toBe(6);
    expect(await chosen([], ['flatcar/vmlinuz'])).toBe(2);
    expect(await chosen(['dns'], ['*.aci'])).toBe(5);
    await expect(chosen(['nothing'], ['*.none'])).rejects.toThrow('no image and no file matches');
  });

  test('load --only takes a part, and leaves the rest', async () => {
    const bundle = await from.bundle();
    const loaded = await to.load(bundle, { only: ['coreos/etcd:v*', 'flatcar/**'] });
    expect(loaded.manifests.map(({ tags }) => tags)).toEqual([['v3']]);
    expect(await to.tag('dns', '1.5')).toBeUndefined();
    expect(await to.registry.content.find(parseDigest(digestOf('dns layer')))).toBeUndefined();
    expect(readdirSync(to.assetsDir)).toEqual(['flatcar']);
  });

  test('keys and hidden files are never carried, whatever links lead there', async () => {
    symlinkSync('../keys', join(from.assetsDir, 'linked'));
    from.asset('.hidden', 'x');
    const warnings: string[] = [];
    const bundle = await from.bundle({
      assets: { dir: from.assetsDir, symlinks: 'follow', keysDir: from.keysDir },
      warn: (text) => void warnings.push(text),
    });
    expect(namesIn(bundle).filter((name) => /linked|hidden/.test(name))).toEqual([]);
    expect(warnings.join()).toContain('linked/signing-key.asc leads to the folder of keys');
    expect(bundle.includes('PRIVATE KEY')).toBe(false);
  });
});

describe('a difference', () => {
  const base = async (bundle: Buffer) => {
    const path = join(from.folder, 'base.tar');
    writeFileSync(path, bundle);
    return readEarlierBundle(path);
  };

  test('carries what is new, rests on what is there, and can be rested on itself', async () => {
    const full = await from.bundle();
    const newer = imageOf(['etcd layer', 'a new layer']);
    await from.push('coreos/etcd', 'v4', newer);
    from.asset('flatcar/vmlinuz', 'a new kernel');
    const second = await from.bundle({ since: await base(full) });
    expect(
      namesIn(second)
        .filter((name) => /^(assets|blobs|keys)/.test(name))
        .sort(),
    ).toEqual(
      [
        'assets/flatcar/vmlinuz',
        ...[digestOf('a new layer'), newer.digest].map((digest) => `blobs/sha256/${digest.slice(7)}`),
      ].sort(),
    );
    from.asset('third.txt', 'third');
    const third = await from.bundle({ since: await base(second) });
    expect(namesIn(third).filter((name) => /^(assets|blobs|keys)/.test(name))).toEqual(['assets/third.txt']);
    for (const bundle of [full, second, third]) await to.load(bundle);
    expect(await to.tag('coreos/etcd', 'v4')).toBe(newer.digest);
    expect(to.readAsset('flatcar/vmlinuz')).toBe('a new kernel');
    expect(to.readAsset('third.txt')).toBe('third');
  });

  test('without its base it is refused with the names of what is missing, and nothing is changed', async () => {
    const full = await from.bundle();
    from.asset('new.txt', 'new');
    const second = await from.bundle({ since: await base(full) });
    await expect(to.load(second)).rejects.toMatchObject({
      code: 'BUNDLE_BASE_MISSING',
      message: expect.stringContaining(`blobs/sha256/${ETCD.digest.slice(7)}`),
    });
    expect([...to.files().keys()]).toEqual([]);
    await to.load(full);
    rmSync(join(to.assetsDir, 'flatcar/vmlinuz'));
    await expect(to.load(second)).rejects.toThrow('missing: assets/flatcar/vmlinuz');
    await to.load(second, { only: ['new.txt'] });
    expect(to.readAsset('new.txt')).toBe('new');
  });

  test('a new tag on what the base has in another repository is set', async () => {
    const full = await from.bundle();
    await from.push('copy/of/etcd', 'v3', ETCD);
    const second = await from.bundle({ since: await base(full) });
    await to.load(full);
    await to.load(second);
    expect(await to.tag('copy/of/etcd', 'v3')).toBe(ETCD.digest);
    expect(await to.readBlob('copy/of/etcd', digestOf('etcd layer'))).toBe('etcd layer');
  });
});

describe('what stops it', () => {
  test('a damaged blob, by its name; nothing is committed, and the blob is put aside', async () => {
    const found = await from.registry.content.find(parseDigest(digestOf('etcd layer')));
    writeFileSync(found?.path ?? '', 'etcd Layer');
    const sink = new MemorySink();
    await expect(from.bundle({ sink })).rejects.toMatchObject({
      code: 'CHECK_FAILED',
      message: expect.stringContaining(digestOf('etcd layer')),
    });
    expect(sink.outcome).toBe('discarded');
    expect(from.damaged).toEqual([digestOf('etcd layer')]);
    await expect(from.bundle()).rejects.toThrow(`coreos/etcd:v3 is not whole: ${digestOf('etcd layer')}`);
  });

  test('a file that changes between its digest and its bytes, by its name', async () => {
    const sink = new MemorySink();
    const onTotal = () => appendFileSync(join(from.assetsDir, 'flatcar/vmlinuz'), '!');
    await expect(from.bundle({ sink, onTotal })).rejects.toMatchObject({
      code: 'FILE_CHANGED',
      message: expect.stringContaining('assets/flatcar/vmlinuz changed'),
    });
    const replace = () => {
      from.asset('other', 'A kernel!');
      renameSync(join(from.assetsDir, 'other'), join(from.assetsDir, 'flatcar/vmlinuz'));
    };
    await expect(from.bundle({ sink, onTotal: replace })).rejects.toThrow('assets/flatcar/vmlinuz changed');
    expect(sink.outcome).toBe('discarded');
  });

  test('a key that is not trusted, and what to do about it; nothing is changed', async () => {
    const { fingerprint } = (await loadTestKey()).certificate;
    const loading = to.load(await from.bundle(), { keyring: [] });
    await expect(loading).rejects.toMatchObject({
      code: 'BUNDLE_UNTRUSTED',
      message: expect.stringContaining(`bootdepot key trust ${fingerprint} --from`),
    });
    expect([...to.files().keys()]).toEqual([]);
  });

  test('a tag that is set once, before anything is changed', async () => {
    const strict = await BundleDepot.make(['v*']);
    await strict.push('coreos/etcd', 'v3', DNS);
    const before = strict.files();
    await expect(strict.load(await from.bundle())).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(strict.files()).toEqual(before);
    strict.remove();
  });

  test('a signal', async () => {
    const stop = new AbortController();
    const bundle = await from.bundle();
    const loading = to.load(bundle, { signal: stop.signal, onTotal: () => stop.abort() });
    await expect(loading).rejects.toMatchObject({ code: 'INTERRUPTED' });
    const sink = new MemorySink();
    await expect(from.bundle({ sink, signal: stop.signal })).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(sink.outcome).toBe('discarded');
  });
});

test('a damaged blob of the site is healed by the bundle', async () => {
  const bundle = await from.bundle();
  await to.load(bundle);
  const found = await to.registry.content.find(parseDigest(digestOf('etcd layer')));
  writeFileSync(found?.path ?? '', 'etcd Layer');
  await to.load(bundle);
  expect(await to.readBlob('coreos/etcd', digestOf('etcd layer'))).toBe('etcd layer');
  expect(to.damaged).toEqual([digestOf('etcd layer')]);
});

test('an asset never lands where a link leads that may not be followed, nor among the keys', async () => {
  const bundle = await from.bundle({ choice: { images: [], files: ['flatcar/*'] } });
  symlinkSync('/', join(to.assetsDir, 'flatcar'));
  await expect(to.load(bundle)).rejects.toThrow('leads outside the folder');
  rmSync(join(to.assetsDir, 'flatcar'));
  symlinkSync(to.keysDir, join(to.assetsDir, 'flatcar'));
  const assets = { dir: to.assetsDir, symlinks: 'follow', keysDir: to.keysDir } as const;
  await expect(to.load(bundle, { assets })).rejects.toThrow('no folder for assets');
  rmSync(join(to.assetsDir, 'flatcar'));
  to.asset('flatcar/vmlinuz/x', 'a folder of that name');
  await expect(to.load(bundle)).rejects.toThrow('assets/flatcar/vmlinuz is a folder here');
});
