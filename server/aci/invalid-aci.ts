/** How what is no image is spoken of. */
import { DepotError } from '../errors.js';

/** The problem of an archive that holds something else. */
export const NO_MANIFEST = 'no manifest in it, expected a file "manifest" beside "rootfs"';

/** Says of which file an archive's error speaks; other errors stay as they are. */
export function asInvalidAci(error: unknown, path: string): unknown {
  if (!(error instanceof DepotError) || error.code !== 'ARCHIVE_INVALID') return error;
  return new DepotError(
    'ACI_INVALID',
    `${path}: ${error.message}`,
    { ...error.facts, path },
    { cause: error },
  );
}
