/** What `/metrics` says of the registry. */
import type { Metrics, Registry } from '../../index.js';

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
