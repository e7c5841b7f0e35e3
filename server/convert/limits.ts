/** How large an image may be: beyond these bounds it is no image but an attack, or nothing that a client could unpack. */

/** The longest path in an image, so that `rootfs/` and it are a path that Linux can name. */
export const PATH_LIMIT_BYTES: number = 4095 - 'rootfs/'.length;

/** The largest JSON of an image: its manifest, its config, an index. */
export const JSON_LIMIT_BYTES: number = 4 * 1024 * 1024;

/** Bounds on one conversion; the configuration's `convert.limits`. */
export interface ConvertLimits {
  /** Entries of all layers together. */
  readonly entries: number;
  /** Names that the layers make, directories that none of them speaks of counted in. */
  readonly names: number;
  /** Bytes of all names, link targets and extended attributes together. */
  readonly text: number;
  /** Bytes of all layers together, uncompressed, the holes of sparse files counted in. */
  readonly size: number;
  /** How many times its compressed size a layer may have, where it has more than `ratioFrom` bytes. */
  readonly ratio: number;
  readonly ratioFrom: number;
}

/** What holds where nothing else is said; the configuration's defaults are the same. No gzip shrinks more than 1032 times. */
export const DEFAULT_LIMITS: ConvertLimits = {
  entries: 2_000_000,
  names: 3_000_000,
  text: 512 * 1024 * 1024,
  size: 1024 ** 4,
  ratio: 1100,
  ratioFrom: 1024 ** 3,
};
