/** Ending work early on request. */
import { DepotError } from '../errors.js';

/** @throws DepotError `INTERRUPTED`: the signal has been given */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted');
}
