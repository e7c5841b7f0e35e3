/**
 * The requirements of the OCI distribution specification, and of what Docker's clients need beside it, against a running
 * depot: data sets by operations, in an order that is drawn. `CONFORMANCE_SEED` repeats one.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { digestOf } from '../fixtures/registry-client.js';
import { newBlob, PUSHES, STEPS } from './blob-steps.js';
import { type Algorithm, dataSets } from './data-sets.js';
import { deleteSet, pullSet, pushSet, refuseSparse } from './manifest-steps.js';
import { chooseSeed, randomFrom, shuffled } from './random-order.js';
import { RegistryUnderTest } from './registry-under-test.js';
import { Table } from './table.js';

const NAME = 'conformance/one';
const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512'];
const SEED = chooseSeed();

describe.each([
  ['as it is, with deletion on', {}],
  ['with sparse manifests allowed', { 'registry.allowSparse': true }],
])('a registry %s', (title, settings) => {
  const random = randomFrom(SEED);
  const table = new Table(`\nconformance of a registry ${title}; CONFORMANCE_SEED=${SEED}`);
  const takesSparse = 'registry.allowSparse' in settings;
  let depot: LiveDepot;
  let registry: RegistryUnderTest;
  beforeAll(async () => {
    depot = await startLiveDepot({ settings: { 'registry.delete': true, ...settings } });
    registry = new RegistryUnderTest(depot.port, table);
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
  const blobs = (takesSparse ? [] : ALGORITHMS).flatMap((algorithm) => [
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

  const sets = ALGORITHMS.flatMap(dataSets).filter(({ sparse }) => sparse || !takesSparse);
  test.each(shuffled(sets, random))('data set: $name', async (set) => {
    const run = { registry, name: NAME, random };
    if (set.sparse && !takesSparse) {
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
