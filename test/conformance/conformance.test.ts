/**
 * The requirements of the OCI distribution specification, and of what Docker's clients need beside it, against a running
 * depot: data sets by operations, in an order that is drawn. `CONFORMANCE_SEED` repeats one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { digestOf } from '../fixtures/registry-client.js';
import { basic, writeUsers } from '../fixtures/users.js';
import { newBlob, PUSHES, STEPS } from './blob-steps.js';
import { type Algorithm, dataSets } from './data-sets.js';
import { deleteSet, pullSet, pushSet, refuseSparse } from './manifest-steps.js';
import { chooseSeed, randomFrom, shuffled } from './random-order.js';
import { RegistryUnderTest } from './registry-under-test.js';
import { Table } from './table.js';

const NAME = 'conformance/one';
const SEED = chooseSeed();

const USERS = mkdtempSync(join(tmpdir(), 'bootdepot-conformance-'));
afterAll(() => rmSync(USERS, { recursive: true }));
const users = join(USERS, 'users.htpasswd');
writeUsers(users, { pusher: 'secret' });

/** Another set of rules, and how much of it all is asked under them. */
interface Variant {
  readonly title: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly algorithms: readonly Algorithm[];
  /** Whether data sets that refer to what is nowhere are taken; then they alone are pushed, and no other blobs. */
  readonly sparse: boolean;
}

const VARIANTS: readonly Variant[] = [
  { title: 'as it is, with deletion on', settings: {}, algorithms: ['sha256', 'sha512'], sparse: false },
  {
    title: 'with sparse manifests allowed',
    settings: { 'registry.allowSparse': true },
    algorithms: ['sha256', 'sha512'],
    sparse: true,
  },
  {
    title: 'that knows its users, asked from afar',
    settings: { 'registry.write': 'users', 'registry.users': users },
    headers: { ...basic('pusher', 'secret'), 'X-Forwarded-For': '192.0.2.1' },
    algorithms: ['sha256'],
    sparse: false,
  },
];

describe.each(VARIANTS)('a registry $title', ({ title, settings, headers, algorithms, sparse }) => {
  const random = randomFrom(SEED);
  const table = new Table(`\nconformance of a registry ${title}; CONFORMANCE_SEED=${SEED}`);
  let depot: LiveDepot;
  let registry: RegistryUnderTest;
  beforeAll(async () => {
    depot = await startLiveDepot({ settings: { 'registry.delete': true, ...settings } });
    registry = new RegistryUnderTest(depot.port, table, headers);
  });
  afterAll(async () => {
    await depot.remove();
    process.stdout.write(`${table}\n`);
  });

  test('says that it is one', async () => {
    const answer = await registry.expect('base: GET', ['GET', '/v2/'], 200);
    expect(answer.body.toString()).toBe('{}');
  });

  test('has no tags and no referrers where nothing was ever pushed', async () => {
    await registry.expect('tags: GET', ['GET', `/v2/${NAME}/tags/list`], 404, 'NAME_UNKNOWN');
    const path = `/v2/${NAME}/referrers/${digestOf('never')}`;
    const answer = await registry.expect('referrers: GET', ['GET', path], 200);
    expect(JSON.parse(answer.body.toString()).manifests).toEqual([]);
  });

  // What is allowed of manifests changes nothing for blobs, and for the other sets.
  const blobs = (sparse ? [] : algorithms).flatMap((algorithm) => [
    ...Object.entries(STEPS).map(([step, run]) => ({
      step: `${step}, ${algorithm}`,
      run,
      blob: newBlob(algorithm),
    })),
    ...['', '{}'].flatMap((content) =>
      Object.entries(PUSHES).map(([step, run]) => ({
        step: `"${content}" in ${step}, ${algorithm}`,
        run,
        blob: newBlob(algorithm, Buffer.from(content)),
      })),
    ),
  ]);
  for (const { step, run, blob } of shuffled(blobs, random))
    test(`blob: ${step}`, async () => {
      await run(registry, NAME, blob);
      const path = `/v2/${NAME}/blobs/${blob.digest}`;
      const { status } = await registry.ask('HEAD', path);
      if (status === 200) await registry.expectDeleted('blob: DELETE', path);
    });

  const sets = algorithms.flatMap(dataSets).filter((set) => set.sparse || !sparse);
  test.each(shuffled(sets, random))('data set: $name', async (set) => {
    const run = { registry, name: NAME, random };
    if (set.sparse && !sparse) {
      await refuseSparse(run, set);
      return;
    }
    await pushSet(run, set);
    await pullSet(run, set);
    await deleteSet(run, set);
  });

  test('does not know a manifest that was never pushed, nor one by what is no digest', async () => {
    for (const reference of ['none', digestOf('none'), digestOf('none', 'sha512')]) {
      const path = `/v2/${NAME}/manifests/${reference}`;
      await registry.expect('manifest: GET', ['GET', path], 404, 'MANIFEST_UNKNOWN');
      await registry.expect('manifest: HEAD', ['HEAD', path], 404);
      await registry.expect('manifest: DELETE', ['DELETE', path], 404, 'MANIFEST_UNKNOWN');
    }
    const bad = `/v2/${NAME}/manifests/sha256:baddigeststring`;
    await registry.expect('manifest: bad digest', ['GET', bad], 400, 'DIGEST_INVALID');
    await registry.expect(
      'referrers: bad digest',
      ['GET', `/v2/${NAME}/referrers/sha256:bad`],
      400,
      'DIGEST_INVALID',
    );
  });
});
