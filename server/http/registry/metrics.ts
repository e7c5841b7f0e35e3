/** What `/metrics` says of the registry. */
import type { Housekeeping, Metrics, Notifier, PullThrough, Registry } from '../../index.js';

/** Adds the figures of a registry. */
export function addRegistryMetrics(metrics: Metrics, { figures, uploads }: Registry): void {
  const byKind: readonly [string, string, Readonly<Record<string, number>>][] = [
    ['pushes', 'Blobs and manifests that were pushed.', figures.pushes],
    ['pushed_bytes', 'Bytes of the blobs and manifests that were pushed.', figures.pushedBytes],
    ['pulls', 'Blobs and manifests that were sent in full, or the part that was asked for.', figures.pulls],
    ['pulled_bytes', 'Bytes of the blobs and manifests that were sent.', figures.pulledBytes],
    ['deletes', 'Blobs, manifests and tags that were deleted.', figures.deletes],
  ];
  for (const [name, help, counts] of byKind) {
    metrics.addTotals(`bootdepot_registry_${name}_total`, help, 'kind', () => counts);
  }
  metrics.addTotals(
    'bootdepot_registry_refused_pushes_total',
    'Requests of pushes that did not succeed, by the code of the error.',
    'reason',
    () => figures.refusals,
  );
  metrics.addTotal(
    'bootdepot_registry_mounts_total',
    'Blobs that a repository got from another one.',
    () => figures.mounts,
  );
  metrics.addTotal(
    'bootdepot_registry_quarantined_total',
    'Blobs and manifests that did not match their digest and were put aside.',
    () => figures.damages,
  );
  metrics.addGauge(
    'bootdepot_registry_uploads',
    'Uploads that a client is sending right now.',
    () => uploads.underWay,
  );
}

/** Adds the figures of the notifications, by receiver. */
export function addNotificationMetrics(metrics: Metrics, { endpoints }: Notifier): void {
  if (endpoints.length === 0) return;
  const totals = [
    ['delivered', 'Notifications that a receiver took.'],
    ['failed', 'Attempts to deliver a notification that failed.'],
    ['dropped', 'Notifications that were given up.'],
  ] as const;
  for (const [figure, help] of totals) {
    metrics.addTotals(`bootdepot_registry_notifications_${figure}_total`, help, 'endpoint', () =>
      Object.fromEntries(endpoints.map(({ config, figures }) => [config.name, figures[figure]])),
    );
  }
  metrics.addGauges(
    'bootdepot_registry_notifications_waiting',
    'Notifications that wait for their receiver.',
    'endpoint',
    () => Object.fromEntries(endpoints.map(({ config, waiting }) => [config.name, waiting])),
  );
}

/** Adds the figures of what the server does with the folder by itself. */
export function addHousekeepingMetrics(metrics: Metrics, { figures }: Housekeeping): void {
  metrics.addTotal(
    'bootdepot_registry_gc_runs_total',
    'Garbage collections that ended well.',
    () => figures.gcRuns,
  );
  metrics.addTotal(
    'bootdepot_registry_gc_freed_bytes_total',
    'Bytes that garbage collections have freed.',
    () => figures.gcBytes,
  );
  metrics.addTotal(
    'bootdepot_registry_scrubbed_bytes_total',
    'Bytes that scrubs have read and checked.',
    () => figures.scrubbedBytes,
  );
  metrics.addTotal(
    'bootdepot_registry_scrub_findings_total',
    'What scrubs have found to be wrong.',
    () => figures.scrubFindings,
  );
}

/** Adds the figures of what came from upstreams. */
export function addUpstreamMetrics(metrics: Metrics, { figures }: PullThrough): void {
  const add = (name: string, help: string, read: () => number) =>
    metrics.addTotal(`bootdepot_upstream_${name}_total`, help, read);
  add('hits', 'Manifests and blobs of upstreams that were here.', () => figures.hits);
  add('misses', 'Manifests and blobs that were fetched from upstreams.', () => figures.misses);
  add('revalidations', 'Tags that upstreams were asked about.', () => figures.revalidations);
  add('stale', 'Answers with a copy that the upstream could not confirm.', () => figures.stale);
  add('errors', 'Failures of upstreams.', () => figures.errors);
  add('bytes', 'Bytes that came from upstreams.', () => figures.bytes);
}
