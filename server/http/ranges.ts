/** Byte ranges (RFC 9110, section 14): which pieces of a file a `Range` field asks for. */

/** A piece of a file, never empty. */
export interface ByteRange {
  /** Offset of its first byte. */
  readonly start: number;
  /** Bytes. */
  readonly length: number;
}

/** What to answer: the whole file, 416, or pieces in the order they were asked for. */
export type RangePlan = 'whole' | 'unsatisfiable' | readonly ByteRange[];

/** More pieces than that in one answer cost more than the whole file, unless a caller knows better. */
const MAX_PIECES = 32;

/** What a client wrote: `first-last`, `first-` (last is infinite), or the last `suffix` bytes. */
type RangeSpec = { readonly first: number; readonly last: number } | { readonly suffix: number };

/**
 * Plans the answer to a `Range`. A field that is malformed, names another unit, or asks for overlapping or very many
 * pieces is ignored, as the standard allows; equal ranges count once, however often the field was sent.
 *
 * @param field - as Node gives it, several fields joined with commas; `undefined` if there is none
 * @param size - of the file, bytes
 * @param maxPieces - more of them are answered with the whole file
 */
export function planRanges(field: string | undefined, size: number, maxPieces = MAX_PIECES): RangePlan {
  const specs = field === undefined ? undefined : parseRanges(field);
  if (specs === undefined) return 'whole';
  if (size === 0 && specs.some(startsAtZero)) return 'whole';
  const pieces = specs.map((spec) => locate(spec, size)).filter((piece) => piece !== undefined);
  if (pieces.length === 0) return 'unsatisfiable';
  return pieces.length > maxPieces || overlap(pieces) ? 'whole' : pieces;
}

function parseRanges(field: string): RangeSpec[] | undefined {
  if (!/^\s*bytes=/i.test(field)) return undefined;
  const members = field.split(',').map((member) => member.trim().replace(/^bytes=\s*/i, ''));
  const distinct = [...new Set(members)].filter((member) => member !== '');
  const specs = distinct.map(parseSpec).filter((spec) => spec !== undefined);
  return specs.length > 0 && specs.length === distinct.length ? specs : undefined;
}

function parseSpec(text: string): RangeSpec | undefined {
  const [, first, last, suffix] = /^(?:(\d+)-(\d*)|-(\d+))$/.exec(text) ?? [];
  if (suffix !== undefined) return { suffix: Number(suffix) };
  if (first === undefined) return undefined;
  const spec = { first: Number(first), last: last ? Number(last) : Number.POSITIVE_INFINITY };
  return spec.first <= spec.last ? spec : undefined;
}

/** Of an empty file nothing is missing in such a range: it is answered in full, as by other servers. */
function startsAtZero(spec: RangeSpec): boolean {
  return 'suffix' in spec ? spec.suffix > 0 : spec.first === 0;
}

function locate(spec: RangeSpec, size: number): ByteRange | undefined {
  const start = 'suffix' in spec ? Math.max(0, size - spec.suffix) : spec.first;
  const end = 'suffix' in spec ? size : Math.min(spec.last + 1, size);
  return start < end ? { start, length: end - start } : undefined;
}

function overlap(pieces: readonly ByteRange[]): boolean {
  const ordered = [...pieces].sort((one, other) => one.start - other.start);
  return ordered.some((piece, index) => {
    const next = ordered[index + 1];
    return next !== undefined && next.start < piece.start + piece.length;
  });
}

/** The value of `Content-Range` for a piece. */
export function contentRange({ start, length }: ByteRange, size: number): string {
  return `bytes ${start}-${start + length - 1}/${size}`;
}
