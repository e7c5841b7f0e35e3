/** Whole lists of images, copied. */
import { inParallel } from '../assets/in-parallel.js';
import { DepotError, fileError } from '../errors.js';
import type { NamedSources } from '../registry/upstream/named-sources.js';
import { type CopiedImage, type CopyProgress, ImageCopier } from './copy-image.js';
import type { Destination } from './destination.js';
import { Origin } from './origin.js';
import { type PlannedImage, planImages, type TagChoice } from './plan.js';
import type { Platforms } from './platforms.js';
import { type LeftTag, leftTags } from './prune.js';
import type { Rename } from './rename.js';

/** What is to be copied, and how. */
export interface MirrorRequest {
  /** Lines as `parseWanted` reads them. */
  readonly lines: readonly string[];
  readonly sources: NamedSources;
  readonly destination: Destination;
  readonly rename: Rename;
  readonly platforms: Platforms;
  readonly choice: TagChoice;
  /** Whether referrers and signatures come along. */
  readonly referrers: boolean;
  /** Whether tags that the list does not name are looked for, or removed, too. */
  readonly prune: 'no' | 'show' | 'remove';
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  /** Told as it goes on. */
  readonly watch: MirrorWatch;
}

/** Who wants to know how far it is. */
export interface MirrorWatch {
  /** So many images there are. */
  readonly planned: (images: number) => void;
  /** One begins. */
  readonly begin: (image: string) => CopyProgress;
  /** One has ended. */
  readonly ended: (result: MirroredImage) => void;
}

/** What came of one line, or of one image of it. */
export interface MirroredImage {
  /** As a line of a list. */
  readonly source: string;
  /** At the destination; `undefined` where it has no name there. */
  readonly target: string | undefined;
  readonly done?: CopiedImage;
  readonly error?: DepotError;
}

/** What came of all. */
export interface MirrorReport {
  readonly images: readonly MirroredImage[];
  /** Tags that are not in the list. */
  readonly left: readonly LeftTag[];
}

/** Images that are under way at once. */
const IMAGES_AT_ONCE = 4;

/**
 * Copies images. One that fails does not stop the others.
 *
 * @throws DepotError `USAGE`: two sources would have one name, and nothing was copied; `INTERRUPTED`
 */
export async function mirrorImages(request: MirrorRequest): Promise<MirrorReport> {
  const { destination, sources, signal, watch } = request;
  const plan = await planImages(request.lines, {
    ...request,
    open: async ({ host, repository }) =>
      new Origin(await sources.of(host, repository), repository, sources.timing, signal),
  });
  stopIf(signal);
  watch.planned(plan.images.length);
  const refused = plan.refused.map((line): MirroredImage => ({ ...line, target: undefined }));
  for (const line of refused) watch.ended(line);
  const results: MirroredImage[] = [];
  const copier = new ImageCopier(request);
  await inParallel(plan.images.entries(), IMAGES_AT_ONCE, async ([index, image]) => {
    if (signal.aborted) return;
    const result = await attempt(image, () => copier.copy(image, watch.begin(image.target)));
    results[index] = result;
    watch.ended(result);
  });
  stopIf(signal);
  const left = request.prune === 'no' ? [] : await leftTags(plan, destination);
  if (request.prune === 'remove' && !request.dryRun) {
    for (const { repository, tag } of left) await destination.removeTag(repository, tag);
  }
  return { images: [...results, ...refused], left };
}

async function attempt(
  { source, target }: PlannedImage,
  work: () => Promise<CopiedImage>,
): Promise<MirroredImage> {
  try {
    return { source, target, done: await work() };
  } catch (error) {
    return { source, target, error: fileError(error, source) };
  }
}

function stopIf(signal: AbortSignal): void {
  if (signal.aborted) throw new DepotError('INTERRUPTED', 'interrupted: the next run goes on from here');
}
