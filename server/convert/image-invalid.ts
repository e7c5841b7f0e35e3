/** How an image that cannot be converted is spoken of. */
import { DepotError, type ErrorFacts } from '../errors.js';

/** An error about the image itself: it breaks a rule, or asks for more than any image needs. */
export function imageInvalid(message: string, facts: ErrorFacts = {}): DepotError {
  return new DepotError('IMAGE_INVALID', message, facts);
}

/** Says of which layer an error of its archive speaks; other errors stay as they are. */
export function ofLayer(error: unknown, layer: string): unknown {
  if (!(error instanceof DepotError)) return error;
  if (error.code !== 'ARCHIVE_INVALID' && error.code !== 'IMAGE_INVALID') return error;
  return new DepotError(
    'IMAGE_INVALID',
    `layer ${layer}: ${error.message}`,
    { ...error.facts, layer },
    { cause: error },
  );
}
