/** Signing the images of the registry: those that are named, or all. */
import { DepotError, type ErrorCode, fileError } from '../errors.js';
import type { Registry } from '../registry/open-registry.js';
import { identitiesOf, type KnownNames } from './identities.js';
import { eachImage, type NamedImage } from './images.js';
import type { Lookaside } from './lookaside.js';
import { manifestsOf } from './manifests-of.js';
import { type ImageSigning, type SignedCounts, signManifest } from './sign-manifest.js';

/** The parts that signing needs of a depot. */
export interface ImagesToSign extends ImageSigning {
  readonly registry: Pick<Registry, 'manifests' | 'catalog' | 'tags'>;
  readonly lookaside: Lookaside;
  readonly names: KnownNames;
}

/** What became of one image. */
export interface SignedImage {
  /** As the registry knows it: `team/app:v1`. */
  readonly image: string;
  readonly action: 'signed' | 'good' | 're-signed' | 'failed';
  /** Why, in one sentence; empty where there is nothing to say. */
  readonly reason: string;
  /** Manifests that were looked at: the image's own and those it lists. */
  readonly manifests: number;
  readonly identities: readonly string[];
  /** Of `failed`. */
  readonly code?: ErrorCode;
}

/**
 * Signs images, one after the other. One that fails does not stop the others.
 *
 * @param images - none: every tag of every repository
 * @param onImage - told of each when it is done
 * @throws DepotError `INTERRUPTED`
 */
export async function signImages(
  parts: ImagesToSign,
  images: readonly NamedImage[],
  onImage: (image: SignedImage) => void,
  signal?: AbortSignal,
): Promise<SignedImage[]> {
  const done: SignedImage[] = [];
  for await (const image of eachImage(parts.registry, images)) {
    if (signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted');
    const result = await signImage(parts, image).catch((error: unknown): SignedImage => {
      const { code, message } = fileError(error, image.text);
      return { image: image.text, action: 'failed', reason: message, manifests: 0, identities: [], code };
    });
    done.push(result);
    onImage(result);
  }
  return done;
}

/**
 * Signs one image: its manifest and each that it lists, under all its names.
 *
 * @throws DepotError `MANIFEST_UNKNOWN`: there is none; else as {@link signManifest}
 */
export async function signImage(
  parts: ImagesToSign,
  { text, repository, target }: NamedImage,
): Promise<SignedImage> {
  const digests = await manifestsOf(parts.registry, repository, target);
  if (digests === undefined) throw new DepotError('MANIFEST_UNKNOWN', 'the registry has no such image');
  const identities = identitiesOf(repository, target, parts.names);
  const counts: SignedCounts[] = [];
  for (const digest of digests) {
    counts.push(await signManifest(parts.lookaside, { repository, digest }, identities, parts));
  }
  const sum = (count: keyof SignedCounts) => counts.reduce((total, each) => total + each[count], 0);
  const reason = sum('removed') > 0 ? `${sum('removed')} signatures that did not count were removed` : '';
  const action = sum('replaced') > 0 ? 're-signed' : sum('signed') > 0 ? 'signed' : 'good';
  return { image: text, action, reason, manifests: digests.length, identities };
}
