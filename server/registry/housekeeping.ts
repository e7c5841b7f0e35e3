/** What a server does with its registry's folder by itself, now and then. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/schema.js';
import type { Logger } from '../log.js';
import type { GcReport } from './gc/collect.js';
import type { Registry } from './open-registry.js';
import type { SparseCheck } from './scrub/check-repository.js';

/** Work in the background of a server. */
export interface Housekeeping {
  readonly figures: HousekeepingFigures;
  /** Ends it, between two steps. */
  stop(): Promise<void>;
}

/** What it has done since the server was started. */
export interface HousekeepingFigures {
  /** Runs of the garbage collection that ended well. */
  gcRuns: number;
  /** Bytes that it freed. */
  gcBytes: number;
  /** Bytes that scrubs have read. */
  scrubbedBytes: number;
  /** What scrubs found to be wrong. */
  scrubFindings: number;
}

/** The first run comes soon after a start, so that a server that is restarted every day does its work, too. */
const FIRST_AFTER_MS = 5 * 60 * 1000;

/** Starts what the configuration asks for. A run that fails is logged, and the next one comes at its time. */
export function startHousekeeping(
  registry: Registry,
  { gc, scrub }: Config['registry'],
  logger: Logger,
  sparse: SparseCheck,
): Housekeeping {
  const stop = new AbortController();
  const { signal } = stop;
  const figures: HousekeepingFigures = { gcRuns: 0, gcBytes: 0, scrubbedBytes: 0, scrubFindings: 0 };
  const collect = async () => {
    const { collectGarbage } = await import('./gc/collect.js');
    const options = {
      graceMs: gc.grace,
      untagged: gc.untagged,
      uploadsMs: gc.uploads,
      dryRun: false,
      signal,
    };
    const report = await collectGarbage(registry, options);
    figures.gcRuns += 1;
    figures.gcBytes += report.bytes;
    logCollection(report, logger);
  };
  const check = async () => {
    const { scrub: run } = await import('./scrub/scrub.js');
    const report = await run(registry, {
      ...{ repair: true, speed: scrub.speed, signal, ...sparse },
      onBytes: (bytes) => {
        figures.scrubbedBytes += bytes;
      },
      onFinding: (finding) => {
        figures.scrubFindings += 1;
        logger.error({ finding }, 'a scrub found something wrong');
      },
    });
    const { findings, ...read } = report;
    logger.info({ ...read, findings: findings.length }, 'everything in the registry was read and checked');
  };
  const onFailure = (error: unknown) => logger.error({ err: error }, 'housekeeping failed');
  const loops = [repeat(gc.every, collect, onFailure, signal), repeat(scrub.every, check, onFailure, signal)];
  return {
    figures,
    async stop() {
      stop.abort();
      await Promise.all(loops);
    },
  };
}

function logCollection({ removed, bytes, spared }: GcReport, logger: Logger): void {
  logger.info({ removed, bytes }, 'collected what nothing in the registry refers to');
  if (spared.length === 0) return;
  logger.warn({ repositories: spared }, 'blobs were spared, because manifests cannot be read: see scrub');
}

async function repeat(
  everyMs: number,
  work: () => Promise<void>,
  onFailure: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  if (everyMs === 0) return;
  let waitMs = Math.min(everyMs, FIRST_AFTER_MS);
  while (!signal.aborted) {
    await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    await work().catch((error: unknown) => signal.aborted || onFailure(error));
    waitMs = everyMs;
  }
}
