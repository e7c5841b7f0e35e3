/** What is counted, for whoever shows it. */

/** Totals since the start. */
export interface UpstreamFigures {
  /** Manifests and blobs of upstreams that were here. */
  readonly hits: number;
  /** Manifests and blobs that were fetched. */
  readonly misses: number;
  /** Tags that an upstream was asked about while a copy was here. */
  readonly revalidations: number;
  /** Answers with a copy that the upstream could not confirm. */
  readonly stale: number;
  /** Failures of upstreams. */
  readonly errors: number;
  /** Bytes of blobs and manifests that came. */
  readonly bytes: number;
}

/** The totals as those who count see them. */
export type Tally = { -readonly [Name in keyof UpstreamFigures]: number };

/** Nothing so far. */
export function createTally(): Tally {
  return { hits: 0, misses: 0, revalidations: 0, stale: 0, errors: 0, bytes: 0 };
}
