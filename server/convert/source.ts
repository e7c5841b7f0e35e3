/** Where an image comes from: what every kind of source (a layout, a registry, an archive) gives to the conversion. */
import type { Digest } from '../oci/digest.js';
import type { Tag } from '../oci/reference.js';

/** What an image is called, as far as its source knows. */
export interface ImageReference {
  /** Such as `quay.io` or `reg.lan:5000`; `undefined` where the source has no host. */
  readonly host: string | undefined;
  /** Such as `coreos/hyperkube`. */
  readonly repository: string;
  /** `undefined` where the image was asked for by its digest. */
  readonly tag: Tag | undefined;
  /** As it was typed, without a scheme; `undefined` where nobody typed a reference. */
  readonly typed: string | undefined;
}

/** The compressed archive of one layer. */
export interface LayerBlob {
  /** What the bytes must have, as the manifest says; an old archive's layers have none. */
  readonly digest: Digest | undefined;
  /** Bytes, as the manifest says. */
  readonly size: number | undefined;
  /** How to call the layer in messages. */
  readonly name: string;
  /** Opens the bytes, untrusted; may be called again after the end. */
  open(signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
}

/** One image of one platform, ready to be converted. */
export interface ImageSource {
  readonly reference: ImageReference;
  /**
   * Which rules of docker2aci hold for its manifest: `new` for OCI and schema 2, `old` for schema 1 and archives with
   * `<id>/json`.
   */
  readonly generation: 'new' | 'old';
  /** What the image's manifest is known by, `sha256:…`; for old archives the ID of the top layer. */
  readonly manifestHash: string;
  /** The top layer: its digest, for old images its ID. */
  readonly imageId: string;
  /** Of old images that have a parent. */
  readonly parentImageId?: string | undefined;
  /** The config's JSON, checked against its digest. */
  readonly config: Buffer;
  /** What the layers should be uncompressed, where another place than the config says it. */
  readonly diffIds?: readonly string[] | undefined;
  /** Base first. */
  readonly layers: readonly LayerBlob[];
  /** Gives back what was opened; nothing can be read then. */
  close(): Promise<void>;
}
