/** Lists in pages, and lists of referrers, by the numbers of the checklist. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import {
  codesOf,
  digestOf,
  imageOf,
  OCI_IMAGE,
  RegistryClient,
  type TestImage,
} from '../../fixtures/registry-client.js';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

let depot: LiveDepot;
let client: RegistryClient;
beforeAll(async () => {
  depot = await startLiveDepot({ settings: { 'registry.delete': true } });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
});
afterAll(() => depot.remove());

const repository = (name: string) =>
  join(depot.folder, 'data/registry/docker/registry/v2/repositories', name);

/** Follows `Link` from page to page. */
async function pagesOf(first: string): Promise<{ bytes: number; items: unknown[] }[]> {
  const pages: { bytes: number; items: unknown[] }[] = [];
  let path: string | undefined = first;
  while (path !== undefined && pages.length < 1000) {
    const answer = await client.get(path);
    const text = await answer.text();
    const { tags, manifests } = JSON.parse(text);
    pages.push({ bytes: Buffer.byteLength(text), items: tags ?? manifests });
    path = /^<([^>]*)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
  }
  return pages;
}

describe('checklist 9: the list of tags', () => {
  const all = Array.from({ length: 10_000 }, (_, index) => `t${index}`).sort();
  beforeAll(async () => {
    await client.push('c9', 't0', imageOf(['nine']));
    const link = await readFile(join(repository('c9'), '_manifests/tags/t0/current/link'));
    const make = async (tag: string) => {
      const folder = join(repository('c9'), '_manifests/tags', tag, 'current');
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'link'), link);
    };
    for (let start = 1; start < all.length; start += 250) {
      await Promise.all(all.slice(start, start + 250).map(make));
    }
  });

  test.each([999, 1000, 10_000])('in pages of %i has each of 10,000 tags once', async (n) => {
    const pages = await pagesOf(`c9/tags/list?n=${n}`);
    expect(pages).toHaveLength(Math.ceil(all.length / n));
    expect(pages.flatMap(({ items }) => items)).toEqual(all);
  });

  test('is empty where manifests have digests alone', async () => {
    const image = imageOf(['by its digest']);
    await client.push('c9/untagged', image.digest, image);
    const answer = await client.get('c9/untagged/tags/list');
    expect([answer.status, JSON.parse(await answer.text())]).toEqual([
      200,
      { name: 'c9/untagged', tags: [] },
    ]);
  });

  test('goes on behind a tag that is not there', async () => {
    const [page] = await pagesOf('c9/tags/list?last=t9998%2Fx&n=1');
    expect(page?.items).toEqual(['t9999']);
    expect((await pagesOf('c9/tags/list?last=zzz'))[0]?.items).toEqual([]);
  });

  test('is empty for n=0 and has no link; another n is refused', async () => {
    const answer = await client.get('c9/tags/list?n=0');
    expect([await answer.json(), answer.headers.get('link')]).toEqual([{ name: 'c9', tags: [] }, null]);
    for (const n of ['-1', 'x', '1.5', '']) {
      const refused = await client.get(`c9/tags/list?n=${n}`);
      expect([refused.status, await codesOf(refused)]).toEqual([400, ['PAGINATION_NUMBER_INVALID']]);
    }
  });
});

describe('checklist 10: referrers', () => {
  async function listed(name: string, subject: string, query = ''): Promise<Record<string, unknown>[]> {
    const answer = await client.get(`${name}/referrers/${subject}${query}`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, OCI_INDEX]);
    const { manifests, ...rest } = JSON.parse(await answer.text());
    expect(rest).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX });
    return manifests;
  }
  const digestsOf = async (name: string, subject: string) =>
    (await listed(name, subject)).map(({ digest }) => digest);
  const pushByDigest = async (name: string, { blobs, manifest, digest }: TestImage) => {
    for (const blob of blobs) await client.pushBlob(name, blob);
    return client.pushManifest(name, digest, manifest);
  };
  const about = (digest: string, more: object = {}) =>
    imageOf(['signature'], { subject: { mediaType: OCI_IMAGE, digest, size: 2 }, ...more });
  const tagOf = (subject: string) => subject.replace(':', '-').slice(0, 'sha512-'.length + 64);
  const pushFallback = async (name: string, subject: string, entries: object[]) => {
    const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries });
    expect((await client.pushManifest(name, tagOf(subject), index, OCI_INDEX)).status).toBe(201);
  };

  test.each(['sha256', 'sha512'] as const)(
    'are described in full, for a subject by %s',
    async (algorithm) => {
      const subject = digestOf('subject of all', algorithm);
      const typed = about(subject, { artifactType: 'application/x.sig', annotations: { made: 'here' } });
      const untyped = about(subject);
      for (const image of [typed, untyped]) {
        const answer = await pushByDigest('c10/all', image);
        expect([answer.status, answer.headers.get('oci-subject')]).toEqual([201, subject]);
      }
      const index = JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [],
        subject: { mediaType: OCI_IMAGE, digest: subject, size: 2 },
      });
      await client.pushManifest('c10/all', digestOf(index), index, OCI_INDEX);
      const described = (image: TestImage) => ({
        mediaType: OCI_IMAGE,
        digest: image.digest,
        size: image.manifest.length,
      });
      const wanted = [
        { ...described(typed), artifactType: 'application/x.sig', annotations: { made: 'here' } },
        { ...described(untyped), artifactType: 'application/vnd.oci.image.config.v1+json' },
        { mediaType: OCI_INDEX, digest: digestOf(index), size: index.length },
      ];
      const found = await listed('c10/all', subject);
      expect(found).toHaveLength(3);
      expect(found).toEqual(expect.arrayContaining(wanted));
      expect(await listed('c10/all', subject, '?artifactType=application/x.sig')).toEqual([wanted[0]]);
      expect(await listed('c10/all', subject, '?artifactType=none')).toEqual([]);
    },
  );

  test('of what nobody ever pushed are none', async () => {
    expect(await listed('c10/never', digestOf('x'))).toEqual([]);
    expect(await client.get('c10/never/tags/list').then(codesOf)).toEqual(['NAME_UNKNOWN']);
  });

  test('come in pages, filtered or not', async () => {
    const subject = digestOf('subject of pages');
    const digests: string[] = [];
    for (let index = 0; index < 7; index += 1) {
      const image = about(subject, {
        artifactType: `application/x.${index % 2}`,
        annotations: { n: `${index}` },
      });
      await pushByDigest('c10/pages', image);
      if (index % 2 === 0) digests.push(image.digest);
    }
    const pages = await pagesOf(`c10/pages/referrers/${subject}?n=3`);
    expect(pages.map(({ items }) => items.length)).toEqual([3, 3, 1]);
    const filtered = await pagesOf(`c10/pages/referrers/${subject}?n=2&artifactType=application/x.0`);
    expect(filtered.map(({ items }) => items.length)).toEqual([2, 2]);
    expect(filtered.flatMap(({ items }) => items)).toEqual(
      digests.sort().map((digest) => expect.objectContaining({ digest })),
    );
  });

  test('never take more than a manifest may have', async () => {
    const subject = digestOf('subject of much');
    for (let index = 0; index < 5; index += 1) {
      const image = about(subject, { annotations: { n: `${index}`, much: 'x'.repeat(1_500_000) } });
      expect((await pushByDigest('c10/much', image)).status).toBe(201);
    }
    const pages = await pagesOf(`c10/much/referrers/${subject}`);
    expect(pages.map(({ items }) => items.length)).toEqual([2, 2, 1]);
    expect(pages.every(({ bytes }) => bytes <= 4_194_304)).toBe(true);
  });

  test.each(['sha256', 'sha512'] as const)(
    'that were listed under the fallback tag count, each once, by %s',
    async (algorithm) => {
      const name = `c10/fallback-${algorithm}`;
      const subject = digestOf('subject of old clients', algorithm);
      const noted = about(subject, { artifactType: 'application/x.noted' });
      const silent = imageOf(['no subject'], {
        artifactType: 'application/x.silent',
        annotations: { a: 'b' },
      });
      for (const image of [noted, silent]) await pushByDigest(name, image);
      const bare = ({ digest, manifest }: TestImage) => ({
        mediaType: OCI_IMAGE,
        digest,
        size: manifest.length,
      });
      await pushFallback(name, subject, [noted, silent].map(bare));
      const wanted = [
        { ...bare(noted), artifactType: 'application/x.noted' },
        { ...bare(silent), artifactType: 'application/x.silent', annotations: { a: 'b' } },
      ].sort((one, other) => (one.digest < other.digest ? -1 : 1));
      expect(await listed(name, subject)).toEqual(wanted);
      expect(await listed(name, subject, '?artifactType=application/x.silent')).toHaveLength(1);
      await client.ask('DELETE', `${name}/manifests/${silent.digest}`);
      expect(await digestsOf(name, subject)).toEqual([noted.digest]);
    },
  );

  test('are not what a tag of cosign names', async () => {
    const subject = digestOf('subject of cosign');
    const image = imageOf(['cosign']);
    await client.push('c10/cosign', `${tagOf(subject)}.sig`, image);
    expect(await listed('c10/cosign', subject)).toEqual([]);
    expect((await client.get(`c10/cosign/manifests/${tagOf(subject)}.sig`)).status).toBe(200);
  });

  test('are found again when the index of them is gone, broken, or older than the manifests', async () => {
    const name = 'c10/rebuilt';
    const subject = digestOf('subject of another program');
    const [first, second] = [
      about(subject, { annotations: { n: '1' } }),
      about(subject, { annotations: { n: '2' } }),
    ];
    await pushByDigest(name, first);
    await rm(join(repository(name), '_referrers'), { recursive: true });
    expect(await digestsOf(name, subject)).toEqual([first.digest]);
    await rm(join(repository(name), '_referrers'), { recursive: true });
    await pushByDigest(name, second);
    const both = [first.digest, second.digest].sort();
    await depot.stop();
    depot = await startLiveDepotAgain();
    expect(await digestsOf(name, subject)).toEqual(both);
    const entry = join(
      repository(name),
      '_referrers/sha256',
      subject.slice(7),
      `sha256-${first.digest.slice(7)}.json`,
    );
    await writeFile(entry, '{"mediaType"');
    expect(await digestsOf(name, subject)).toEqual(both);
  });

  test('are found again when one file of the index is lost, also while nobody looks', async () => {
    const name = 'c10/lost';
    const subject = digestOf('subject of a lost note');
    const all = [1, 2, 3].map((n) => about(subject, { annotations: { n: String(n) } }));
    for (const each of all) await pushByDigest(name, each);
    const digests = all.map(({ digest }) => digest).sort();
    const folder = join(repository(name), '_referrers/sha256', subject.slice(7));
    const lose = async (digest = '') => rm(join(folder, `sha256-${digest.slice(7)}.json`));
    // Long enough ago to be sure that no manifest has come since.
    await new Promise((wake) => setTimeout(wake, 50));
    expect(await digestsOf(name, subject)).toEqual(digests);
    await lose(digests[0]);
    expect(await digestsOf(name, subject)).toEqual(digests);
    await depot.stop();
    await lose(digests[1]);
    depot = await startLiveDepotAgain();
    expect(await digestsOf(name, subject)).toEqual(digests);
    expect(await readdir(folder)).toHaveLength(3);
  });

  /** The same folder in a new server, which knows nothing of before. */
  async function startLiveDepotAgain(): Promise<LiveDepot> {
    const dir = join(depot.folder, 'data');
    const again = await startLiveDepot({ settings: { 'registry.delete': true, 'data.dir': dir } });
    client = new RegistryClient(`http://127.0.0.1:${again.port}`);
    const first = depot;
    return {
      ...again,
      folder: first.folder,
      async remove() {
        await again.remove();
        await first.remove();
      },
    };
  }
});
