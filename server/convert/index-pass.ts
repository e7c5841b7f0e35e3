/** The first of two passes over the layers: what is in them, without their data. */
import type { Budget } from './budget.js';
import type { IndexedLayer } from './emit.js';
import { imageInvalid } from './image-invalid.js';
import { LayerChanges, type TreeInProgress } from './layer-changes.js';
import { readLayer } from './layer-reader.js';
import type { LayerBlob } from './source.js';

/** What the pass needs. */
export interface IndexPass extends TreeInProgress {
  readonly budget: Budget;
  /** What the uncompressed layers should have, base first; checked where there are as many as layers. */
  readonly diffIds: readonly string[];
  readonly signal: AbortSignal | undefined;
  readonly onBytes: ((bytes: number) => void) | undefined;
}

/**
 * Lays all layers over each other, base to top.
 *
 * @throws DepotError `IMAGE_INVALID`: a layer breaks a rule; `INTERRUPTED`; the errors of the source
 */
export async function indexLayers(pass: IndexPass, layers: readonly LayerBlob[]): Promise<IndexedLayer[]> {
  const indexed: IndexedLayer[] = [];
  for (const [number, blob] of layers.entries()) {
    const firstRecord = pass.records.size;
    const changes = new LayerChanges(pass);
    const diffId = await readLayer(blob, {
      budget: pass.budget,
      hash: true,
      signal: pass.signal,
      onBytes: pass.onBytes,
      event: (event) => {
        if (event.kind === 'entry') changes.add(event.entry);
      },
    });
    const expected = pass.diffIds.length === layers.length ? pass.diffIds[number] : undefined;
    if (expected?.startsWith('sha256:') && expected !== diffId) {
      throw imageInvalid(`layer ${blob.name} is ${diffId} uncompressed, expected ${expected}`);
    }
    await changes.apply(pass.signal);
    indexed.push({ blob, firstRecord, diffId });
  }
  return indexed;
}
