/** The ID of an image: SHA-512 over its uncompressed archive, padding and end mark included. appc/spec, spec/types.md. */

/** The ID in its three lengths. */
export interface ImageId {
  /** `sha512-` and all 128 hex digits. */
  readonly id: string;
  /** As `rkt fetch --full` prints it: 64 digits. */
  readonly full: string;
  /** As `rkt fetch` prints it: 32 digits. */
  readonly short: string;
}

/** @param digest - SHA-512 in 128 hex digits */
export function imageIdOf(digest: string): ImageId {
  return {
    id: `sha512-${digest}`,
    full: `sha512-${digest.slice(0, 64)}`,
    short: `sha512-${digest.slice(0, 32)}`,
  };
}
