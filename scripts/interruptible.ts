/** Work that Ctrl-C ends in order. */
import { stopSignal } from './stop-signal.js';

/** A signal that is aborted by the first SIGINT or SIGTERM; a second one ends the process at once. */
export function interruption(): AbortSignal {
  const stop = new AbortController();
  stopSignal().then(
    () => stop.abort(),
    () => undefined,
  );
  return stop.signal;
}
