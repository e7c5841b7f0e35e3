/**
 * Random sequences of operations by several clients at once, each beside a model of the specification. Each client has its
 * own repository, and all have the same content. A failure prints fast-check's seed; `MODEL_RUNS` says how many sequences.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { collectGarbage, openRegistry, scrubRegistry } from '../../../server/index.js';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { RegistryClient } from '../../fixtures/registry-client.js';
import { ModelledRepository, OPERATION } from './model.js';

const CLIENTS = 5;
const RUNS = Math.ceil(Number(process.env.MODEL_RUNS ?? 500) / CLIENTS);

/** What happens between the clients' work, or beside it. */
const EVENT = fc.oneof(
  { weight: 6, arbitrary: fc.constant('nothing') },
  { weight: 1, arbitrary: fc.constantFrom('restart', 'gc', 'scrub') },
);

/** In memory, where there is one: what a disk does is for other tests. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** One server that can be stopped and started on the same folder. */
class Server {
  readonly #data = mkdtempSync(join(MEMORY, 'bootdepot-model-'));
  readonly #log: Record<string, unknown>[] = [];
  #depot: LiveDepot | undefined;

  async start(): Promise<void> {
    await this.#end();
    const settings = { 'registry.delete': true, 'log.level': 'warn', 'data.dir': this.#data };
    this.#depot = await startLiveDepot({ settings });
  }

  async #end(): Promise<void> {
    this.#log.push(...(this.#depot?.log() ?? []));
    await this.#depot?.remove();
    this.#depot = undefined;
  }

  get client(): RegistryClient {
    return new RegistryClient(`http://127.0.0.1:${this.#depot?.port}`);
  }

  async tidy(event: 'gc' | 'scrub'): Promise<void> {
    const dir = join(this.#data, 'registry');
    const registry = await openRegistry({ dir, freeSpace: 0, onDamage: () => undefined });
    if (event === 'gc') {
      const hour = 3_600_000;
      const options = { graceMs: hour, uploadsMs: hour, untagged: 'keep', dryRun: false } as const;
      const { removed } = await collectGarbage(registry, options);
      expect(removed).toEqual({ manifest: 0, link: 0, upload: 0, repository: 0, content: 0 });
    } else {
      const options = { repair: true, speed: 0, maySparse: () => false };
      expect((await scrubRegistry(registry, options)).findings).toEqual([]);
    }
  }

  /** @returns what all of them have logged */
  async remove(): Promise<readonly Record<string, unknown>[]> {
    await this.#end();
    rmSync(this.#data, { recursive: true });
    return this.#log;
  }
}

test(`${RUNS * CLIENTS} sequences of operations, ${CLIENTS} at once: what is there is what the specification says`, async () => {
  const server = new Server();
  await server.start();
  let repositories = 0;
  const sequences = fc.array(fc.array(OPERATION, { minLength: 2, maxLength: 10 }), {
    minLength: CLIENTS,
    maxLength: CLIENTS,
  });
  const property = fc.asyncProperty(sequences, sequences, EVENT, async (first, second, event) => {
    const models = first.map(() => {
      repositories += 1;
      return new ModelledRepository(`model/r${repositories}`, () => server.client);
    });
    const runAll = (all: typeof first) =>
      Promise.all(
        models.map(async (model, index) => {
          for (const operation of all[index] ?? []) await model.run(operation);
        }),
      );
    await runAll(first);
    if (event === 'restart') await server.start();
    await Promise.all([runAll(second), event === 'gc' || event === 'scrub' ? server.tidy(event) : undefined]);
    await Promise.all(models.map((model) => model.expectAll()));
  });
  const failure = await fc
    .assert(property, { numRuns: RUNS, endOnFailure: true })
    .catch((error: unknown) => error);
  const log = await server.remove();
  if (failure !== undefined) throw failure;
  expect(log.filter(({ level }) => level === 'error')).toEqual([]);
}, 240_000);
