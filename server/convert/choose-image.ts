/** Choosing one image of a list by platform. OCI image specification, image-index.md. */
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { type Descriptor, type Manifest, parseManifest } from '../oci/manifest.js';
import { isIndexType, isManifestType, OCI_IMAGE } from '../oci/media-type.js';
import { parseImageConfig } from './config.js';
import { imageInvalid } from './image-invalid.js';
import { DEFAULT_PLATFORM, distance, type Platform, platformText } from './platform.js';

/** Lists in lists that are looked into. */
const MOST_LEVELS = 4;

/** A manifest of one image, with its bytes' digest. */
export interface ChosenImage {
  readonly digest: Digest;
  readonly manifest: Manifest;
  /** The config's JSON, checked against its digest. */
  readonly config: Buffer;
}

/** Gives the checked bytes of a small blob: a manifest, a config. */
export type ReadBlob = (descriptor: Descriptor) => Promise<Buffer>;

interface Offer {
  readonly descriptor: Descriptor;
  readonly platform: Platform;
}

/**
 * Finds the image that a descriptor leads to.
 *
 * @param wanted - `undefined`: linux/amd64 where there is a choice, else what is there
 * @throws DepotError `IMAGE_INVALID`: nothing for that platform (the message lists the offer), nested too deep;
 *   `MANIFEST_INVALID`; what `read` throws
 */
export async function chooseImage(
  descriptors: readonly Descriptor[],
  wanted: Platform | undefined,
  read: ReadBlob,
): Promise<ChosenImage> {
  const [only] = descriptors;
  if (descriptors.length === 1 && only !== undefined && !isIndex(only)) {
    const image = await openImage(only, read);
    if (image !== undefined) {
      expectPlatform(image.config, wanted);
      return image;
    }
  }
  const offers = await offersOf(descriptors, read, MOST_LEVELS);
  const platform = wanted ?? DEFAULT_PLATFORM;
  const best = offers
    .map((offer) => ({ offer, behind: distance(platform, offer.platform) ?? Number.NaN }))
    .filter(({ behind }) => !Number.isNaN(behind))
    .sort((one, other) => one.behind - other.behind)[0];
  const image = best && (await openImage(best.offer.descriptor, read));
  if (image !== undefined) return image;
  const all = offers.map((offer) => platformText(offer.platform)).join(', ');
  throw imageInvalid(`no image for ${platformText(platform)}, there is ${all === '' ? 'none at all' : all}`);
}

async function openImage(descriptor: Descriptor, read: ReadBlob): Promise<ChosenImage | undefined> {
  const manifest = parseManifest(await read(descriptor), descriptor.mediaType);
  if (manifest.config === undefined) return undefined;
  return { digest: descriptor.digest, manifest, config: await read(manifest.config) };
}

/**
 * Refuses an image of another platform than the one that was asked for.
 *
 * @param config - JSON, untrusted
 * @throws DepotError `IMAGE_INVALID`
 */
export function expectPlatform(config: Buffer, wanted: Platform | undefined): void {
  const offered = platformOf(config);
  if (wanted === undefined || distance(wanted, offered) !== undefined) return;
  throw imageInvalid(`no image for ${platformText(wanted)}, there is ${platformText(offered)}`);
}

function platformOf(bytes: Buffer): Platform {
  const { os, architecture, variant } = parseImageConfig(bytes);
  return {
    os: os || DEFAULT_PLATFORM.os,
    architecture: architecture || DEFAULT_PLATFORM.architecture,
    variant,
  };
}

async function offersOf(
  descriptors: readonly Descriptor[],
  read: ReadBlob,
  levels: number,
): Promise<Offer[]> {
  if (levels === 0)
    throw new DepotError('IMAGE_INVALID', `lists of images nested deeper than ${MOST_LEVELS}`);
  const offers: Offer[] = [];
  for (const descriptor of descriptors) {
    if (!isManifestType(descriptor.mediaType ?? OCI_IMAGE)) continue;
    if (isIndex(descriptor)) {
      const { manifests } = parseManifest(await read(descriptor), descriptor.mediaType);
      offers.push(...(await offersOf(manifests, read, levels - 1)));
    } else {
      const platform = await offeredPlatform(descriptor, read);
      if (platform !== undefined) offers.push({ descriptor, platform });
    }
  }
  return offers;
}

/** What the list says; else what the image's config says. Signatures and the like are `unknown/unknown`. */
async function offeredPlatform(descriptor: Descriptor, read: ReadBlob): Promise<Platform | undefined> {
  const { platform } = descriptor;
  if (platform === undefined) {
    const image = await openImage(descriptor, read);
    return image && platformOf(image.config);
  }
  const { os, architecture, variant = '' } = platform;
  return os === 'unknown' && architecture === 'unknown' ? undefined : { os, architecture, variant };
}

function isIndex({ mediaType = OCI_IMAGE }: Descriptor): boolean {
  return isManifestType(mediaType) && isIndexType(mediaType);
}
