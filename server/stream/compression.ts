/** What kind of compression a file has, told by its first bytes and never by its name. */

/** A compression that can be undone; `none` is the bytes as they are. */
export type Compression = 'gzip' | 'bzip2' | 'xz' | 'zstd' | 'none';

const MAGICS: readonly { readonly kind: Compression; readonly bytes: readonly number[] }[] = [
  { kind: 'gzip', bytes: [0x1f, 0x8b] },
  { kind: 'bzip2', bytes: [0x42, 0x5a, 0x68] },
  { kind: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { kind: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
];

/** So many bytes are enough to tell them apart. */
export const SNIFF_BYTES = 6;

/**
 * Names the compression of some data.
 *
 * @param head - its first six bytes or more; fewer if there are no more
 * @returns `none` where no known magic stands there
 */
export function sniffCompression(head: Uint8Array): Compression {
  const found = MAGICS.find(({ bytes }) => bytes.every((byte, index) => head[index] === byte));
  return found?.kind ?? 'none';
}
