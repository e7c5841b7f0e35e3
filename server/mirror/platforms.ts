/** Which images of a list are wanted. OCI image specification, image-index.md. */
import { imageInvalid } from '../convert/image-invalid.js';
import { distance, type Platform, platformText } from '../convert/platform.js';
import type { Digest } from '../oci/digest.js';
import { blobsOf, type Descriptor, type Manifest, parseManifest } from '../oci/manifest.js';

/** `undefined`: all of them. */
export type Platforms = readonly Platform[] | undefined;

/** Where BuildKit says which image an attestation is about. */
const ABOUT = 'vnd.docker.reference.digest';

/**
 * Chooses among the images of a list: for each platform the one that fits best. What is for no platform (lists, artifacts)
 * stays; attestations come with their images.
 *
 * @throws DepotError `IMAGE_INVALID`: there is none for any of them; the message lists what there is
 */
export function chosenImages({ manifests }: Manifest, platforms: Platforms): readonly Descriptor[] {
  if (platforms === undefined) return manifests;
  const offers = manifests.flatMap((descriptor) => {
    const platform = platformOf(descriptor);
    return platform === undefined ? [] : [{ descriptor, platform }];
  });
  const best = new Set<Descriptor>();
  for (const wanted of platforms) {
    const [first] = offers
      .map(({ descriptor, platform }) => ({ descriptor, behind: distance(wanted, platform) ?? Number.NaN }))
      .filter(({ behind }) => !Number.isNaN(behind))
      .sort((one, other) => one.behind - other.behind);
    if (first !== undefined) best.add(first.descriptor);
  }
  if (best.size === 0 && offers.length > 0) {
    const there = offers.map(({ platform }) => platformText(platform)).join(', ');
    throw imageInvalid(`no image for ${platforms.map(platformText).join(', ')}, there is ${there}`);
  }
  const digests = new Set<string>([...best].map(({ digest }) => digest));
  return manifests.filter((each) => {
    if (best.has(each)) return true;
    if (platformOf(each) !== undefined) return false;
    const about = each.annotations?.[ABOUT];
    return about === undefined || digests.has(about);
  });
}

function platformOf({ platform }: Descriptor): Platform | undefined {
  if (platform === undefined || platform.os === 'unknown') return undefined;
  const { os, architecture, variant = '' } = platform;
  return { os, architecture, variant };
}

/** Looks for what is kept. */
export interface Kept {
  manifest(digest: Digest): Promise<Buffer | undefined>;
  hasBlob(blob: Descriptor): Promise<boolean>;
}

/** Whether a manifest is here with all that it needs for those platforms. */
export async function isWhole(
  kept: Kept,
  digest: Digest,
  platforms: Platforms,
  levels = 4,
): Promise<boolean> {
  const bytes = await kept.manifest(digest);
  if (bytes === undefined || levels === 0) return false;
  const manifest = parseManifest(bytes, undefined);
  for (const blob of blobsOf(manifest)) if (!(await kept.hasBlob(blob))) return false;
  for (const child of chosenImages(manifest, platforms)) {
    if (!(await isWhole(kept, child.digest, platforms, levels - 1))) return false;
  }
  return true;
}
