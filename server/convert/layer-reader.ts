/** Reading one layer from its first stored byte to its last: checked, uncompressed, taken apart into entries. */
import { createHash } from 'node:crypto';
import { checkedBytes } from '../stream/checked-bytes.js';
import { SNIFF_BYTES, sniffCompression } from '../stream/compression.js';
import { decompress } from '../stream/decompress.js';
import { SparseReader, type WholeEvent } from '../stream/sparse-reader.js';
import { throwIfAborted } from './abort.js';
import type { Budget } from './budget.js';
import { imageInvalid, ofLayer } from './image-invalid.js';
import type { LayerBlob } from './source.js';

/** How a layer is read. */
export interface LayerVisit {
  /** What counts the bytes and entries; without one they were counted before. */
  readonly budget?: Budget;
  /** Takes an entry or a part of its data. */
  readonly event: (event: WholeEvent) => void;
  /** Waited for after each chunk and each part of a hole, so that what became of it can be put away. */
  readonly settled?: () => Promise<void>;
  /** Whether the uncompressed bytes are hashed. */
  readonly hash: boolean;
  readonly signal: AbortSignal | undefined;
  /** Told of the stored bytes as they come. */
  readonly onBytes: ((bytes: number) => void) | undefined;
}

/**
 * Reads a layer to its end. Its compression is told by its bytes; bytes that are no archive are an error, none at all
 * are an empty layer.
 *
 * @returns the digest of the uncompressed layer, `sha256:…`; empty if it was not asked for
 * @throws DepotError `IMAGE_INVALID`: no archive, damaged, not the bytes that the manifest names, beyond the limits;
 *   `INTERRUPTED`; the errors of the source
 */
export async function readLayer(layer: LayerBlob, visit: LayerVisit): Promise<string> {
  const hash = visit.hash ? createHash('sha256') : undefined;
  const stored = new StoredBytes(layer, visit);
  const reader = new SparseReader();
  let expanded = 0;
  const spend = (bytes: number): void => {
    expanded += bytes;
    visit.budget?.spendBytes(bytes, { stored: stored.count, expanded });
  };
  const afterHole = async (bytes: number): Promise<void> => {
    spend(bytes);
    throwIfAborted(visit.signal);
    await visit.settled?.();
  };
  try {
    for await (const chunk of stored.expanded()) {
      throwIfAborted(visit.signal);
      spend(chunk.length);
      hash?.update(chunk);
      for (const event of reader.feed(chunk)) {
        if (event.kind === 'entry') visit.budget?.spendEntry(event.entry);
        visit.event(event);
        if (event.kind === 'hole') await afterHole(event.bytes.length);
      }
      if (visit.settled !== undefined) await visit.settled();
    }
    reader.end();
    stored.expectEnd();
  } catch (error) {
    // What the source says of itself is worth more than what the decoders make of it.
    throw ofLayer(stored.failure ?? error, layer.name);
  }
  return hash === undefined ? '' : `sha256:${hash.digest('hex')}`;
}

class StoredBytes {
  count = 0;
  /** Why no more of them came. */
  failure: unknown;
  /** Whether all of them came and are the expected ones. */
  #isComplete = false;
  readonly #layer: LayerBlob;
  readonly #visit: LayerVisit;

  constructor(layer: LayerBlob, visit: LayerVisit) {
    this.#layer = layer;
    this.#visit = visit;
  }

  /** @throws DepotError `IMAGE_INVALID`: what was read ended before the stored bytes did */
  expectEnd(): void {
    if (!this.#isComplete) throw imageInvalid('bytes after its end');
  }

  async *expanded(): AsyncGenerator<Uint8Array> {
    const bytes = this.#checked();
    try {
      const head: Uint8Array[] = [];
      let headBytes = 0;
      while (headBytes < SNIFF_BYTES) {
        const { done, value } = await bytes.next();
        if (done) break;
        head.push(value);
        headBytes += value.length;
      }
      yield* decompress(chained(head, bytes), sniffCompression(Buffer.concat(head)));
    } finally {
      // Who stops within the head has not begun with the rest, which is open nevertheless.
      await bytes.return(undefined);
    }
  }

  async *#checked(): AsyncGenerator<Uint8Array> {
    const source = this.#layer.open(this.#visit.signal);
    try {
      for await (const chunk of checkedBytes(source, this.#layer)) {
        this.count += chunk.length;
        this.#visit.onBytes?.(chunk.length);
        yield chunk;
      }
    } catch (error) {
      this.failure = error;
      throw error;
    }
    this.#isComplete = true;
  }
}

async function* chained(
  head: readonly Uint8Array[],
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* head;
  yield* rest;
}
