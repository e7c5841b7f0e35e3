/** Images of the depot's own registry; what an upstream of it has is fetched first. */
import { buffer } from 'node:stream/consumers';
import { openRegularFile } from '../disk/safe-path.js';
import { DepotError } from '../errors.js';
import type { Descriptor } from '../oci/manifest.js';
import { isManifestType } from '../oci/media-type.js';
import type { Reference, RepositoryName } from '../oci/reference.js';
import type { Registry } from '../registry/open-registry.js';
import type { PullThrough } from '../registry/upstream/pull-through.js';
import { checkedBytes } from '../stream/checked-bytes.js';
import { chooseImage } from './choose-image.js';
import { imageInvalid } from './image-invalid.js';
import { JSON_LIMIT_BYTES } from './limits.js';
import type { Platform } from './platform.js';
import type { ImageReference, ImageSource } from './source.js';

const READ_BYTES = 256 * 1024;

/** Where images come from. */
export interface RegistryParts {
  readonly registry: Registry;
  readonly pullThrough: PullThrough;
}

/** Which image of a registry. */
export interface RegistryChoice {
  readonly repository: RepositoryName;
  readonly at: Reference;
  readonly platform: Platform;
  /** What the image is called. */
  readonly reference: ImageReference;
}

/**
 * Opens an image of the registry.
 *
 * @throws DepotError `MANIFEST_UNKNOWN`: no such image; `IMAGE_INVALID`: nothing for that platform, a blob that is missing or
 *   not what its digest says; `MANIFEST_INVALID`; `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`, `DISK_FULL`, `IO_FAILED`
 */
export async function openRegistryImage(
  parts: RegistryParts,
  { repository, at, platform, reference }: RegistryChoice,
): Promise<ImageSource> {
  const found = await parts.pullThrough.manifest(repository, at);
  if (found === undefined) throw new DepotError('MANIFEST_UNKNOWN', 'the registry has no such image');
  const { digest, bytes, manifest: top } = found.stored;
  const descriptor = { mediaType: top.mediaType, digest, size: bytes.length };
  const {
    digest: manifestHash,
    manifest,
    config,
  } = await chooseImage([descriptor], platform, (part) => readSmall(parts, repository, part));
  const layers = manifest.layers.map((layer) => ({
    ...layer,
    name: layer.digest,
    open: () => readBlob(parts, repository, layer),
  }));
  const imageId = manifest.layers.at(-1)?.digest ?? '';
  return { reference, generation: 'new', manifestHash, imageId, config, layers };
}

async function readSmall(
  parts: RegistryParts,
  repository: RepositoryName,
  part: Descriptor,
): Promise<Buffer> {
  const { digest, size, mediaType } = part;
  if (size > JSON_LIMIT_BYTES) {
    throw imageInvalid(`${digest} has ${size} bytes, expected JSON of at most ${JSON_LIMIT_BYTES}`);
  }
  if (mediaType !== undefined && isManifestType(mediaType)) {
    const found = await parts.pullThrough.manifest(repository, { digest });
    if (found === undefined) throw imageInvalid(`the manifest ${digest} is not in the registry`);
    return found.stored.bytes;
  }
  return buffer(checkedBytes(readBlob(parts, repository, part), { digest, size, name: digest }));
}

async function* readBlob(
  { registry, pullThrough }: RegistryParts,
  repository: RepositoryName,
  { digest }: Descriptor,
): AsyncGenerator<Uint8Array> {
  const here = await registry.blobs.find(repository, digest);
  if (here === undefined) await pullThrough.refetch(repository, digest);
  const blob = here ?? (await registry.blobs.find(repository, digest));
  if (blob === undefined) {
    if (!pullThrough.hasUpstream(repository)) throw imageInvalid(`the blob ${digest} is not in the registry`);
    throw new DepotError('UPSTREAM_FAILED', 'a blob of the image could not be fetched', { digest });
  }
  const { handle } = await openRegularFile(blob.path);
  yield* handle.createReadStream({ highWaterMark: READ_BYTES });
}
