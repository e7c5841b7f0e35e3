/** One image, copied by content: what is missing, and its name last. */
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { blobsOf, type Descriptor, type Manifest, parseManifest } from '../oci/manifest.js';
import type { Reference, RepositoryName, Tag } from '../oci/reference.js';
import { Turns } from '../registry/turns.js';
import type { FetchedManifest } from '../registry/upstream/fetch-manifest.js';
import { Places } from '../registry/upstream/places.js';
import { companionsOf } from './companions.js';
import type { Destination } from './destination.js';
import type { Origin } from './origin.js';
import type { PlannedImage } from './plan.js';
import { chosenImages, type Platforms } from './platforms.js';

/** How images are copied. */
export interface CopyOptions {
  readonly destination: Destination;
  readonly platforms: Platforms;
  /** Whether what speaks of an image comes with it: referrers, signatures. */
  readonly referrers: boolean;
  /** Whether nothing is written. */
  readonly dryRun: boolean;
}

/** Told how far one image is. */
export interface CopyProgress {
  /** Bytes that are missing, all in all. */
  readonly missing: (bytes: number) => void;
  /** More of them are here. */
  readonly advance: (bytes: number) => void;
}

/** What came of an image. */
export interface CopiedImage {
  readonly status: 'new' | 'unchanged';
  readonly digest: Digest;
  /** Bytes of blobs that came for it; in a dry run, that would. */
  readonly bytes: number;
}

/** A manifest with all below it that is wanted and not there. */
interface Branch {
  readonly fetched: FetchedManifest;
  readonly blobs: readonly Descriptor[];
  readonly children: readonly Branch[];
}

interface Step {
  readonly origin: Origin;
  readonly repository: RepositoryName;
  readonly progress: CopyProgress;
}

/** Blobs that are on their way at once, of all images together. */
const BLOBS_AT_ONCE = 8;
const MOST_LEVELS = 4;

/** Copies images to one destination, each blob once. */
export class ImageCopier {
  readonly #options: CopyOptions;
  readonly #turns = new Turns();
  readonly #places = new Places(BLOBS_AT_ONCE);

  constructor(options: CopyOptions) {
    this.#options = options;
  }

  /**
   * Copies one image; where it is there already, one question says so.
   *
   * @throws DepotError `MANIFEST_UNKNOWN`, `IMAGE_INVALID`, `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`, `DISK_FULL`, …
   */
  async copy(image: PlannedImage, progress: CopyProgress): Promise<CopiedImage> {
    const { origin, repository, tag } = image;
    const { destination, platforms } = this.#options;
    const asked = await this.#resolve(image);
    const place: Reference = tag === undefined ? { digest: asked } : { tag };
    const step = { origin, repository, progress };
    const there = await destination.current(repository, place, platforms);
    if (there === asked) {
      const bytes = await this.#companions(step, [asked]);
      return { status: bytes === undefined ? 'unchanged' : 'new', digest: asked, bytes: bytes ?? 0 };
    }
    const root = await this.#rootOf(origin, asked);
    const { digest } = root;
    if (there === digest) return { status: 'unchanged', digest, bytes: 0 };
    const branch = await this.#look(step, root, MOST_LEVELS);
    const missing = bytesIn(branch);
    progress.missing(missing);
    if (this.#options.dryRun) return { status: 'new', digest, bytes: missing };
    const bytes = await this.#putParts(step, branch);
    const more = await this.#companions(step, digestsIn(branch));
    await destination.putManifest(repository, root, { tag, isChild: false });
    return { status: 'new', digest, bytes: bytes + (more ?? 0) };
  }

  /** What the image is now at its source. */
  async #resolve({ origin, tag, digest, source }: PlannedImage): Promise<Digest> {
    if (digest !== undefined) return digest;
    if (tag === undefined) throw new DepotError('USAGE', `${source} has neither a tag nor a digest`);
    const told = await origin.digestOf(tag);
    if (told === undefined) throw new DepotError('MANIFEST_UNKNOWN', `its registry has no ${source}`);
    return told === 'unknown' ? (await origin.manifest({ tag })).digest : told;
  }

  /** Where no part of a list can be kept, the one image of it that is wanted stands for it. */
  async #rootOf(origin: Origin, digest: Digest): Promise<FetchedManifest> {
    const { destination, platforms } = this.#options;
    const fetched = await origin.manifest({ digest });
    if (destination.takesParts || platforms === undefined) return fetched;
    const manifest = parseManifest(fetched.bytes, fetched.contentType);
    const chosen = chosenImages(manifest, platforms).filter(({ platform }) => platform?.os !== 'unknown');
    const [only] = chosen;
    if (only === undefined || chosen.length === manifest.manifests.length) return fetched;
    if (chosen.length === 1) return origin.manifest({ digest: only.digest });
    throw new DepotError(
      'USAGE',
      `${destination.label} takes no part of a list: ask for one platform, or for all`,
    );
  }

  /** Finds what is missing below a manifest. Manifests that are here are read here. */
  async #look(step: Step, fetched: FetchedManifest, levels: number): Promise<Branch> {
    if (levels === 0)
      throw new DepotError('IMAGE_INVALID', `lists of images nested deeper than ${MOST_LEVELS}`);
    const { destination, platforms } = this.#options;
    const { origin, repository } = step;
    const manifest = parseManifest(fetched.bytes, fetched.contentType);
    const blobs: Descriptor[] = [];
    for (const blob of eachOnce(manifest)) {
      if (!(await destination.hasBlob(repository, blob))) blobs.push(blob);
    }
    const children: Branch[] = [];
    for (const { digest } of chosenImages(manifest, platforms)) {
      const bytes = await destination.manifest(repository, digest);
      const child =
        bytes === undefined ? await origin.manifest({ digest }) : { digest, bytes, contentType: undefined };
      children.push(await this.#look(step, child, levels - 1));
    }
    return { fetched, blobs, children };
  }

  /**
   * Puts all blobs, then the manifests of a list's images.
   *
   * @returns bytes that were brought: some may have come with another image meanwhile
   */
  async #putParts(step: Step, branch: Branch): Promise<number> {
    const blobs = new Map(allBlobs(branch).map((blob) => [blob.digest, blob]));
    const ends = await Promise.allSettled([...blobs.values()].map((blob) => this.#putBlob(step, blob)));
    const broken = ends.find((end) => end.status === 'rejected');
    if (broken !== undefined) throw broken.reason;
    await this.#putChildren(step, branch);
    return ends.reduce((sum, end) => sum + (end.status === 'fulfilled' ? end.value : 0), 0);
  }

  async #putChildren(step: Step, { children }: Branch): Promise<void> {
    for (const child of children) {
      await this.#putChildren(step, child);
      await this.#options.destination.putManifest(step.repository, child.fetched, { isChild: true });
    }
  }

  /**
   * Two images that need the same blob wait for each other, and the second finds it there.
   *
   * @returns bytes that were brought
   */
  #putBlob({ origin, repository, progress }: Step, blob: Descriptor): Promise<number> {
    const { destination } = this.#options;
    return this.#turns.run(blob.digest, () =>
      this.#places.take(async () => {
        let here = 0;
        const onHere = (bytes: number): void => {
          progress.advance(bytes - here);
          here = bytes;
        };
        let brought = 0;
        await destination.putBlob(repository, blob, (parts) => {
          brought = blob.size;
          const bytesFrom = (offset: number) => origin.blob(blob, offset);
          return parts.bring(blob.digest, { bytesFrom, size: blob.size, onHere }, () => origin.wrongBytes());
        });
        onHere(blob.size);
        return brought;
      }),
    );
  }

  /**
   * Copies what speaks of some manifests.
   *
   * @returns bytes that were missing; `undefined` if nothing was
   */
  async #companions(step: Step, subjects: readonly Digest[]): Promise<number | undefined> {
    if (!this.#options.referrers) return undefined;
    let bytes: number | undefined;
    for (const subject of subjects) {
      for (const companion of await companionsOf(step.origin, subject)) {
        const more = await this.#companion(step, companion.fetched, companion.tag);
        if (more !== undefined) bytes = (bytes ?? 0) + more;
      }
    }
    return bytes;
  }

  async #companion(step: Step, fetched: FetchedManifest, tag: Tag | undefined): Promise<number | undefined> {
    const { destination, dryRun } = this.#options;
    const { repository } = step;
    const { digest } = fetched;
    const place: Reference = tag === undefined ? { digest } : { tag };
    if ((await destination.current(repository, place, undefined)) === digest) return undefined;
    const branch = await this.#look(step, fetched, MOST_LEVELS);
    const missing = bytesIn(branch);
    step.progress.missing(missing);
    if (dryRun) return missing;
    const bytes = await this.#putParts(step, branch);
    await destination.putManifest(repository, fetched, { tag, isChild: false });
    // What speaks of an image may be spoken of itself: an attestation is signed.
    return bytes + ((await this.#companions(step, [digest])) ?? 0);
  }
}

function eachOnce(manifest: Manifest): Descriptor[] {
  return [...new Map(blobsOf(manifest).map((blob) => [blob.digest, blob])).values()];
}

function allBlobs({ blobs, children }: Branch): Descriptor[] {
  return [...blobs, ...children.flatMap(allBlobs)];
}

/** Of blobs that several images of a list share, one counts. */
function bytesIn(branch: Branch): number {
  const sizes = new Map(allBlobs(branch).map(({ digest, size }) => [digest, size]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function digestsIn({ fetched, children }: Branch): Digest[] {
  return [fetched.digest, ...children.flatMap(digestsIn)];
}
