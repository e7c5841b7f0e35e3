/** What kind of compression a file has, told by its first bytes and never by its name. */

/** A compression that can be undone; `none` is the bytes as they are. */
export type Compression = 'gzip' | 'bzip2' | 'xz' | 'none';

const MAGICS: readonly { readonly kind: Compression | 'zstd'; readonly bytes: readonly number[] }[] = [
  { kind: 'gzip', bytes: [0x1f, 0x8b] },
  { kind: 'bzip2', bytes: [0x42, 0x5a, 0x68] },
  { kind: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { kind: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
];

/**
 * Names the compression of some data.
 *
 * @param head - its first six bytes or more; fewer if there are no more
 * @returns `none` where no known magic stands there; `zstd` is named so that it can be refused by name
 */
export function sniffCompression(head: Uint8Array): Compression | 'zstd' {
  const found = MAGICS.find(({ bytes }) => bytes.every((byte, index) => head[index] === byte));
  return found?.kind ?? 'none';
}
