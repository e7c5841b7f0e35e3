/** Ranges of a blob, as clients of registries ask for them. */
import { planRanges, type RangePlan } from '../ranges.js';

/** podman asks for that many pieces of one layer at once, and takes them to be cheap. */
const MOST_PIECES = 1024;

/**
 * Plans the answer to a `Range` for a blob. One that ends before it begins cannot be satisfied: the reference says so, where
 * RFC 9110 would pass over it.
 *
 * @param size - bytes
 */
export function planBlobRanges(field: string | undefined, size: number): RangePlan {
  const [, first, last] = /^\s*bytes=\s*(\d+)-(\d+)\s*$/i.exec(field ?? '') ?? [];
  if (first !== undefined && Number(first) > Number(last)) return 'unsatisfiable';
  return planRanges(field, size, MOST_PIECES);
}
