/** Images in a registry, the depot's own or another one. OCI distribution specification, "Pull". */
import { buffer } from 'node:stream/consumers';
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { type Descriptor, parseManifest } from '../oci/manifest.js';
import { isManifestType, OCI_IMAGE } from '../oci/media-type.js';
import type { Reference } from '../oci/reference.js';
import { checkedBytes } from '../stream/checked-bytes.js';
import { chooseImage } from './choose-image.js';
import { imageInvalid } from './image-invalid.js';
import { JSON_LIMIT_BYTES } from './limits.js';
import type { Platform } from './platform.js';
import type { ImageReference, ImageSource } from './source.js';

/** A manifest that is known to match its digest. */
export interface FoundManifest {
  readonly digest: Digest;
  readonly bytes: Buffer;
  /** What it came with, if that is of use. */
  readonly contentType: string | undefined;
}

/** One repository, as far as an image needs it. */
export interface ImageRepository {
  /** How to call it in messages. */
  readonly name: string;
  /** @returns `undefined` if it is not there */
  manifest(reference: Reference): Promise<FoundManifest | undefined>;
  /**
   * Opens a blob, whose bytes are not checked; may be done several times.
   *
   * @throws DepotError `BLOB_UNKNOWN`
   */
  blob(digest: Digest, signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
  /** Gives back what was opened. */
  close(): Promise<void>;
}

/** Which image of a repository. */
export interface RepositoryChoice {
  readonly target: Reference;
  /** What the image is called. */
  readonly reference: ImageReference;
  readonly platform: Platform | undefined;
}

/**
 * Opens an image of a repository.
 *
 * @throws DepotError `MANIFEST_UNKNOWN`: there is no such tag or digest; `BLOB_UNKNOWN`; `IMAGE_INVALID`: none for the
 *   platform, or bytes that are not what their digest says; `MANIFEST_INVALID`; the errors of the repository
 */
export async function openRegistryImage(
  repository: ImageRepository,
  { target, reference, platform }: RepositoryChoice,
): Promise<ImageSource> {
  const top = await manifestOf(repository, target);
  const { mediaType } = parseManifest(top.bytes, top.contentType);
  const start: Descriptor = { mediaType, digest: top.digest, size: top.bytes.length };
  const { digest, manifest, config } = await chooseImage([start], platform, (descriptor) =>
    descriptor === start ? Promise.resolve(top.bytes) : readSmall(repository, descriptor),
  );
  const layers = manifest.layers.map((layer) => ({
    digest: layer.digest,
    size: layer.size,
    name: layer.digest,
    open: (signal: AbortSignal | undefined) => repository.blob(layer.digest, signal),
  }));
  const imageId = manifest.layers.at(-1)?.digest ?? '';
  const close = () => repository.close();
  return { reference, generation: 'new', manifestHash: digest, imageId, config, layers, close };
}

async function manifestOf(repository: ImageRepository, reference: Reference): Promise<FoundManifest> {
  const found = await repository.manifest(reference);
  if (found !== undefined) return found;
  const name = reference.digest ?? reference.tag;
  throw new DepotError('MANIFEST_UNKNOWN', `${repository.name} has no ${name}`);
}

async function readSmall(repository: ImageRepository, descriptor: Descriptor): Promise<Buffer> {
  const { digest, size, mediaType = OCI_IMAGE } = descriptor;
  if (isManifestType(mediaType)) return (await manifestOf(repository, { digest })).bytes;
  if (size > JSON_LIMIT_BYTES) {
    throw imageInvalid(`${digest} has ${size} bytes, expected JSON of at most ${JSON_LIMIT_BYTES}`);
  }
  return buffer(checkedBytes(repository.blob(digest, undefined), { digest, size, name: digest }));
}
