/**
 * What rkt 1.30.0 asks, by number: the lines about an image and its signature as a pair, while both are replaced under
 * the eyes of a client that fetches in rkt's order. The depot is a process of its own, the publisher is the core.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  parseDetachedSignature,
  renameAcis,
  type SigningKey,
  signAssets,
  verifyHashed,
} from '../../server/index.js';
import { buildAci } from '../fixtures/aci.js';
import { mustBootdepot } from '../fixtures/command.js';
import { fetchAsRkt, type RktFetch, type RktFetched } from '../fixtures/rkt-client.js';
import { type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { loadTestKey, testKeyFolder } from '../fixtures/test-key.js';

const ACI = 'coreos-hyperkube:v1.3.6_coreos.0.aci';
const U = `/assets/${ACI}`;
const folder = mkdtempSync(join(tmpdir(), 'bootdepot-pairs-'));
const dir = join(folder, 'assets');
const inAssets = (name: string): string => join(dir, name);

let depot: RunningDepot;
let key: SigningKey;

beforeAll(async () => {
  mkdirSync(dir);
  await testKeyFolder(folder);
  key = await loadTestKey();
  depot = await startDepot(['--assets', dir, '--keys', join(folder, 'keys')]);
});

afterAll(async () => {
  await depot?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** An image unlike all others; every second one is too large for the server to keep in memory. */
function image(generation: number): Promise<Buffer> {
  const content = Buffer.alloc(generation % 2 === 0 ? 30_000 : 400_000, `${generation} `);
  return buildAci({ version: `v${generation}`, compression: 'none', files: { content } });
}

/** Puts a file into the assets at once, as `mv` and `rsync` do. */
function put(name: string, bytes: Buffer): void {
  writeFileSync(inAssets('.arriving'), bytes);
  renameSync(inAssets('.arriving'), inAssets(name));
}

/** What `bootdepot sign` does, without the time that a process takes to start. */
async function sign(...names: readonly string[]): Promise<void> {
  const files = await signAssets({
    assets: { dir, symlinks: 'inside' },
    paths: names.map(inAssets),
    ...{
      key,
      hashName: 'sha512',
      retired: new Set<string>(),
      boot: false,
      force: false,
      dryRun: false,
      jobs: 1,
    },
    now: () => new Date(),
    signal: undefined,
    onFile: () => undefined,
  });
  expect(files.map(({ action }) => action)).toEqual(names.map(() => expect.stringMatching(/signed$/)));
}

async function isGood({ signature, image: bytes }: RktFetched): Promise<boolean> {
  const parsed = await parseDetachedSignature(signature);
  const hash = createHash(parsed.hashName).update(bytes);
  return (await verifyHashed(parsed, hash, [key.certificate], new Date())).state === 'good';
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What came of one fetch, without its bytes. */
interface Seen {
  readonly fetch: Exclude<RktFetch, RktFetched> | undefined;
  readonly signature: string;
  readonly image: string;
  readonly good: boolean;
}

async function look(path: string): Promise<Seen> {
  const fetch = await fetchAsRkt(depot.port, path);
  if (!isFetched(fetch)) return { fetch, signature: '', image: '', good: false };
  const [signature, bytes] = [digestOf(fetch.signature), digestOf(fetch.image)];
  return { fetch: undefined, signature, image: bytes, good: await isGood(fetch) };
}

/** Fetches one name over and over, as rkt's user would, for as long as the files are being replaced. */
async function lookWhile(busy: () => boolean, path: string): Promise<Seen[]> {
  const seen: Seen[] = [];
  while (busy()) seen.push(await look(path));
  return seen;
}

const NO_SIGNATURE: RktFetch = { kind: 'failed', of: 'signature', status: 404 };
const isFetched = (fetch: RktFetch): fetch is RktFetched => fetch.kind === 'fetched';

describe('a pair', () => {
  test('2. GET U.asc is 200 with a signature of the bytes of U', async () => {
    put(ACI, await image(0));
    mustBootdepot(folder, ['sign']);
    expect((await look(U)).good).toBe(true);
  });

  test('25. a new image beside an old signature is never good, and both are right once it is signed', async () => {
    const before = await etagOf(U);
    put(ACI, await image(1));
    expect(await look(U)).toMatchObject({ fetch: undefined, good: false });
    expect(mustBootdepot(folder, ['sign'])).toMatch(/^re-signed /);
    expect((await fetchAsRkt(depot.port, U, before)).kind).toBe('fetched');
    expect((await look(U)).good).toBe(true);
    expect(await fetchAsRkt(depot.port, U, await etagOf(U))).toEqual({ kind: 'cached' });
  });

  test('25. while image and signature are replaced 25 times, no fetch mixes two of them unnoticed', async () => {
    const generationOf = new Map<string, number>();
    const publish = async (generation: number): Promise<void> => {
      const bytes = await image(generation);
      generationOf.set(digestOf(bytes), generation);
      put(ACI, bytes);
      await sign(ACI);
      generationOf.set(digestOf(readFileSync(inAssets(`${ACI}.asc`))), generation);
    };
    await publish(100);
    let isPublishing = true;
    const clients = Array.from({ length: 3 }, () => lookWhile(() => isPublishing, U));
    for (let generation = 101; generation < 126; generation += 1) await publish(generation);
    isPublishing = false;

    const seen = (await Promise.all(clients)).flat();
    expect(seen.filter(({ fetch }) => fetch !== undefined)).toEqual([]);
    for (const { signature, image: bytes, good } of seen) {
      // Each file is whole, or its digest would be unknown.
      const [ofSignature, ofImage] = [generationOf.get(signature), generationOf.get(bytes)];
      expect([ofSignature, ofImage, good]).toEqual([
        expect.any(Number),
        expect.any(Number),
        ofSignature === ofImage,
      ]);
    }
    const last = await look(U);
    expect([last.good, generationOf.get(last.image)]).toEqual([true, 125]);
  });

  test('25. while signed images are renamed, a name has a signature only of its image', async () => {
    for (let round = 200; round < 215; round += 1) {
      const [from, to] = [`arrived-${round}.aci`, `app:v${round}.aci`];
      put(from, await image(round));
      await sign(from);
      let isRenaming = true;
      const clients = [from, to].map((name) => lookWhile(() => isRenaming, `/assets/${name}`));
      for await (const { status, isSigned } of renameAcis([inAssets(from)], false)) {
        expect([status, isSigned]).toEqual(['renamed', true]);
      }
      isRenaming = false;
      const [ofOld = [], ofNew = []] = await Promise.all(clients);
      expect([...ofOld, ...ofNew].filter(({ fetch, good }) => fetch === undefined && !good)).toEqual([]);
      // Under the new name the image was there before its signature was.
      for (const { fetch } of ofNew) expect([undefined, NO_SIGNATURE]).toContainEqual(fetch);
      expect((await look(`/assets/${to}`)).good).toBe(true);
      expect((await look(`/assets/${from}`)).fetch).toEqual(NO_SIGNATURE);
    }
  });
});

async function etagOf(path: string): Promise<string> {
  const fetched = await fetchAsRkt(depot.port, path);
  return isFetched(fetched) ? fetched.etag : '';
}
