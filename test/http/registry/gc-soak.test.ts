/**
 * Pushes, mounts, deletions and pulls beside a garbage collection that never rests, in this process and in another one.
 * `SOAK_SECONDS` says for how long; a failure names its seed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { collectGarbage, openRegistry } from '../../../server/index.js';
import { startLiveDepot } from '../../fixtures/live-depot.js';
import {
  codesOf,
  digestOf,
  imageOf,
  RegistryClient,
  type TestImage,
} from '../../fixtures/registry-client.js';

const SECONDS = Number(process.env.SOAK_SECONDS ?? 10);
/** Short, so that what loses its tag is collected while others are about to use it again. */
const GRACE_MS = 2000;
const LAYERS = Array.from({ length: 12 }, (_, index) => Buffer.alloc(20_000, `layer ${index}`));
const REPOSITORIES = ['soak/a', 'soak/b', 'soak/c/d'];

function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

/** What one client did; a push that took longer than the grace may be refused, but never half accepted. */
class SoakClient {
  pushes = 0;
  refusedLate = 0;
  readonly #client: RegistryClient;
  readonly #random: (below: number) => number;

  constructor(base: string, seed: number) {
    this.#client = new RegistryClient(base);
    this.#random = randomOf(seed);
  }

  async step(): Promise<void> {
    const name = this.#pick(REPOSITORIES);
    const tag = `t${this.#random(3)}`;
    const image = imageOf([this.#pick(LAYERS), this.#pick(LAYERS)], {
      annotations: { n: String(this.#random(20)) },
    });
    const asked = performance.now();
    for (const blob of image.blobs) await this.#bring(name, blob);
    const answer = await this.#client.pushManifest(name, image.digest, image.manifest);
    if (answer.status !== 201) {
      if (performance.now() - asked < GRACE_MS) throw new Error(`refused: ${await answer.text()}`);
      expect(await codesOf(answer)).toContain('MANIFEST_BLOB_UNKNOWN');
      this.refusedLate += 1;
      return;
    }
    this.pushes += 1;
    const pushed = performance.now();
    await this.#expectWhole(name, image, pushed);
    const tagged = await this.#client.pushManifest(name, tag, image.manifest);
    if (performance.now() - pushed < GRACE_MS) expect(tagged.status).toBe(201);
    if (this.#random(3) === 0) await this.#client.ask('DELETE', `${name}/manifests/${tag}`);
  }

  /** As clients do: asked for, mounted from a neighbour, or pushed. */
  async #bring(name: string, blob: Buffer): Promise<void> {
    const digest = digestOf(blob);
    if ((await this.#client.ask('HEAD', `${name}/blobs/${digest}`)).status === 200) return;
    const from = this.#pick(REPOSITORIES);
    const mounted = await this.#client.ask('POST', `${name}/blobs/uploads/?mount=${digest}&from=${from}`);
    if (mounted.status === 201) return;
    const location = mounted.headers.get('location') ?? '';
    const answer = await this.#client.ask('PUT', `${location}?digest=${digest}`, blob);
    if (answer.status !== 201)
      throw new Error(`${mounted.status} ${location}: ${answer.status} ${await answer.text()}`);
  }

  async #expectWhole(name: string, image: TestImage, since: number): Promise<void> {
    for (const blob of image.blobs) {
      const answer = await this.#client.get(`${name}/blobs/${digestOf(blob)}`);
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (answer.status === 404 && performance.now() - since > GRACE_MS) continue;
      expect(answer.status).toBe(200);
      expect(digestOf(bytes)).toBe(digestOf(blob));
    }
  }

  #pick<T>(all: readonly T[]): T {
    const picked = all[this.#random(all.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  }
}

test(
  'nothing that was accepted is lost while garbage is collected all the time',
  async () => {
    const seed = randomInt(2 ** 31);
    const depot = await startLiveDepot({ settings: { 'registry.delete': true, 'log.requests': false } });
    const dir = join(depot.folder, 'data/registry');
    const registry = await openRegistry({ dir, freeSpace: 0, onDamage: () => undefined });
    const until = performance.now() + SECONDS * 1000;
    const going = () => performance.now() < until;
    let freed = 0;
    const collectOnce = async () => {
      const options = { graceMs: GRACE_MS, uploadsMs: GRACE_MS, untagged: 'remove', dryRun: false } as const;
      freed += (await collectGarbage(registry, options)).bytes;
    };
    const collectHere = async () => {
      while (going()) await collectOnce();
    };
    const collectElsewhere = async () => {
      while (going()) await ended(gcProcess(join(depot.folder, 'data')));
    };
    const clients = [1, 2, 3, 4].map(
      (index) => new SoakClient(`http://127.0.0.1:${depot.port}`, seed + index),
    );
    const push = async (client: SoakClient) => {
      while (going()) await client.step();
    };
    try {
      const all = await Promise.allSettled([collectHere(), collectElsewhere(), ...clients.map(push)]);
      const failures = all.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
      if (failures.length > 0) throw new AggregateError(failures, `seed ${seed}: ${failures.join('; ')}`);
      // What lost its tag in the last moments goes when all is quiet, on a machine of any speed.
      await sleep(GRACE_MS + 100);
      await collectOnce();
      await expectAllWhole(new RegistryClient(`http://127.0.0.1:${depot.port}`));
    } finally {
      await depot.remove();
    }
    expect(clients.reduce((sum, { pushes }) => sum + pushes, 0)).toBeGreaterThan(5);
    expect(freed).toBeGreaterThan(0);
  },
  SECONDS * 1000 + 30_000,
);

function gcProcess(data: string): ChildProcess {
  const program = resolve('dist/scripts/bootdepot.js');
  const args = ['gc', '--data', data, '--untagged', '--grace', `${GRACE_MS}ms`];
  return spawn(process.execPath, [program, ...args], { stdio: 'ignore' });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolved, rejected) => {
    child.on('exit', (status) =>
      status === 0 ? resolved() : rejected(new Error(`gc ended with ${status}`)),
    );
  });
}

/** Every tag that is left has all that it needs. */
async function expectAllWhole(client: RegistryClient): Promise<void> {
  for (const name of REPOSITORIES) {
    const answer = await client.get(`${name}/tags/list`);
    const list: { tags?: string[] } = JSON.parse(await answer.text());
    for (const tag of list.tags ?? []) {
      const manifest: { layers: { digest: string }[] } = JSON.parse(
        await (await client.get(`${name}/manifests/${tag}`)).text(),
      );
      for (const { digest } of manifest.layers) {
        expect((await client.ask('HEAD', `${name}/blobs/${digest}`)).status).toBe(200);
      }
    }
  }
}
