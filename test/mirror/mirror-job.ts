/** Mirrors in the test's own process, with short pauses. */
import { join } from 'node:path';
import { loadConfig, type MirrorJob, type MirrorReport, runMirror } from '../../server/index.js';

/** What a test wants to be other than usual. */
export type JobOptions = Partial<MirrorJob> & {
  /** Configured upstreams by name. */
  readonly upstreams?: Readonly<Record<string, unknown>>;
};

/** Mirrors into `FOLDER/data/registry`, unless the options say otherwise. */
export async function mirror(folder: string, options: JobOptions): Promise<MirrorReport> {
  const { upstreams = {}, ...others } = options;
  const flags = [{ name: 'registry.upstreams', flag: 'test', value: upstreams }];
  const { config } = await loadConfig({ env: {}, flags });
  return runMirror({
    images: [],
    lists: [],
    listFormat: undefined,
    sets: [],
    to: undefined,
    rename: [],
    platforms: undefined,
    insecureHosts: [],
    referrers: false,
    prune: 'no',
    dryRun: false,
    registryDir: join(folder, 'data/registry'),
    config,
    env: {},
    signal: new AbortController().signal,
    onDamage: () => undefined,
    watch: {
      planned: () => undefined,
      begin: () => ({ missing: () => undefined, advance: () => undefined }),
      ended: () => undefined,
    },
    timing: { backoff: 5 },
    ...others,
  });
}

/** What came of each image, by its name at the destination: `new`, `unchanged`, or why it failed. */
export function outcomes({ images }: MirrorReport): Record<string, string> {
  const entries = images.map(({ source, target, done, error }): [string, string] => [
    target ?? source,
    done?.status ?? error?.message ?? '',
  ]);
  return Object.fromEntries(entries.sort());
}
