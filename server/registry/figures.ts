/** What a registry has done since it was opened, in plain numbers. */
import type { RegistryEvent } from './events.js';

/** Counts the events of one registry. */
export class RegistryFigures {
  /** By kind of content. */
  readonly pushes = { blob: 0, manifest: 0 };
  /** Bytes of what was pushed, by kind of content. */
  readonly pushedBytes = { blob: 0, manifest: 0 };
  /** Answers that were sent in full, also of a part. */
  readonly pulls = { blob: 0, manifest: 0 };
  readonly pulledBytes = { blob: 0, manifest: 0 };
  readonly deletes = { blob: 0, manifest: 0, tag: 0 };
  mounts = 0;
  damages = 0;
  /** Pushes that did not succeed, by the code of the error. */
  readonly refusals: Record<string, number> = {};

  /** A listener of the registry's events. */
  readonly note = (event: RegistryEvent): void => {
    if (event.action === 'arrive') return;
    if (event.action === 'damage') this.damages += 1;
    else if (event.action === 'refuse') {
      this.refusals[event.reason] = (this.refusals[event.reason] ?? 0) + 1;
    } else if (event.action === 'mount') this.mounts += 1;
    else if (event.action === 'delete') this.deletes[event.kind] += 1;
    else if (event.kind !== 'tag') this.#noteTransfer(event.action, event.kind, event.size ?? 0);
  };

  #noteTransfer(action: 'push' | 'pull', kind: 'blob' | 'manifest', bytes: number): void {
    const [counts, sums] =
      action === 'push' ? [this.pushes, this.pushedBytes] : [this.pulls, this.pulledBytes];
    counts[kind] += 1;
    sums[kind] += bytes;
  }
}
