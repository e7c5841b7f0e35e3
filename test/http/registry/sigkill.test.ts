/**
 * A server that is killed at random moments of pushes, tag moves, deletions, uploads and garbage collections, and started
 * again on the same folder. `KILL_POINTS` says how often; a failure names its seed.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { type RunningDepot, startDepot } from '../../fixtures/running-depot.js';
import { until } from '../../fixtures/until.js';
import { LoadClient, randomOf } from './load.js';

const KILLS = Number(process.env.KILL_POINTS ?? 8);

test(
  `${KILLS} times SIGKILL: what was acknowledged is there, and nothing is there by half`,
  async () => {
    const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
    const random = randomOf(seed);
    const folder = await mkdtemp(join(tmpdir(), 'bootdepot-sigkill-'));
    const clients = ['kill/a', 'kill/b', 'kill/c/d'].map(
      (name, index) => new LoadClient(name, randomOf(seed + index)),
    );
    const acknowledged = () => clients.reduce((sum, client) => sum + client.acknowledged, 0);
    let depot: RunningDepot | undefined;
    try {
      depot = await serve(folder);
      for (let kill = 0; kill < KILLS; kill += 1) {
        const { url, process } = depot;
        const enough = acknowledged() + random(15);
        const running = Promise.all(clients.map((client) => client.run(url)));
        const enoughDone = (async () => {
          while (acknowledged() < enough && process.exitCode === null) await sleep(1);
          await sleep(random(20));
        })();
        await Promise.race([enoughDone, running]);
        process.kill('SIGKILL');
        await Promise.all([running, once(process, 'exit')]);
        depot = await serve(folder);
        await expectSwept(folder);
        for (const client of clients) await client.expectAll(depot.url);
        expect(depot.talk()).not.toMatch(/"level":"(?:error|fatal|warn)"/);
      }
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}\n${depot?.talk().slice(-2000)}`, { cause: error });
    } finally {
      await depot?.stop();
      await rm(folder, { recursive: true, force: true });
    }
    expect(acknowledged()).toBeGreaterThan(KILLS);
  },
  30_000 + KILLS * 10_000,
);

/** Everything that can happen by itself happens all the time. */
function serve(folder: string): Promise<RunningDepot> {
  const folders = ['assets', 'keys', 'data'].flatMap((name) => [`--${name}`, join(folder, name)]);
  return startDepot(folders, {
    BOOTDEPOT_LOG_FORMAT: 'json',
    BOOTDEPOT_REGISTRY_DELETE: 'true',
    BOOTDEPOT_REGISTRY_GC_EVERY: '20ms',
    BOOTDEPOT_REGISTRY_GC_GRACE: '30s',
  });
}

async function expectSwept(folder: string): Promise<void> {
  const own = join(folder, 'data/registry/.bootdepot');
  // A collection of the new server may be clearing away something of its own just now.
  for (const name of ['stage', 'trash']) {
    let left: string[] = [];
    await until(async () => {
      left = await readdir(join(own, name));
      return left.length === 0;
    });
    expect(left).toEqual([]);
  }
  const v2 = join(folder, 'data/registry/docker/registry/v2');
  const entries = await readdir(v2, { recursive: true, withFileTypes: true }).catch(() => []);
  expect(entries.filter(({ name }) => name.startsWith('.')).map(({ name }) => name)).toEqual([]);
  const tags = entries.filter(({ parentPath }) => parentPath.endsWith('_manifests/tags'));
  for (const { parentPath, name } of tags) {
    expect(existsSync(join(parentPath, name, 'current/link'))).toBe(true);
  }
}
