/** Which part of a bundle is taken in. */
import type { Digest } from '../oci/digest.js';
import type { Tag } from '../oci/reference.js';
import type { BundledRepository, Contents, PlacedFile } from './contents.js';
import { fileGlobs, imageGlobs, subjectOfTag, type WantsImage } from './globs.js';

/** What was chosen of a bundle. */
export interface ChosenContents {
  readonly repositories: readonly BundledRepository[];
  /** Whether a file is one of it. */
  readonly wants: (file: PlacedFile) => boolean;
}

/**
 * Chooses by globs, each of which may mean images (`coreos/*`, `coreos/etcd:v3*`) or files by their path below `assets/`.
 * Certificates come with every choice.
 *
 * @param only - `undefined`: everything
 */
export function chooseContents(
  { images }: Contents<PlacedFile>,
  only: readonly string[] | undefined,
): ChosenContents {
  const wantsImage = only === undefined ? () => true : imageGlobs(only);
  const wantsFile = only === undefined ? () => true : fileGlobs(only);
  const repositories = images.flatMap((each) => reduce(each, wantsImage));
  const digests = new Set<Digest>();
  const signed = new Set<string>();
  for (const { repository, manifests } of repositories) {
    for (const { digest, blobs } of manifests) {
      for (const each of [digest, ...blobs]) digests.add(each);
      signed.add(`${repository}@${digest}`);
    }
  }
  const wants = ({ place }: PlacedFile): boolean => {
    if (place.kind === 'blob') return digests.has(place.digest);
    if (place.kind === 'lookaside') return signed.has(`${place.repository}@${place.digest}`);
    return place.kind === 'asset' ? wantsFile(place.parts.join('/')) : true;
  };
  return { repositories, wants };
}

/** The wanted tags, their manifests, and what speaks of these. */
function reduce(all: BundledRepository, wants: WantsImage): BundledRepository[] {
  const { repository } = all;
  if (wants(repository)) return [all];
  const tags = new Map([...all.tags].filter(([tag]) => wants(repository, tag)));
  const kept = new Set(tags.values());
  for (let before = -1; before < kept.size; ) {
    before = kept.size;
    keepRelated(all, kept);
    for (const [tag, digest] of speakingTags(all, kept)) {
      tags.set(tag, digest);
      kept.add(digest);
    }
  }
  const manifests = all.manifests.filter(({ digest }) => kept.has(digest));
  return manifests.length === 0 ? [] : [{ repository, tags, manifests }];
}

function keepRelated({ manifests }: BundledRepository, kept: Set<Digest>): void {
  for (const { digest, manifests: children, subject } of manifests) {
    if (subject !== undefined && kept.has(subject)) kept.add(digest);
    if (kept.has(digest)) for (const child of children) kept.add(child);
  }
}

function speakingTags({ tags }: BundledRepository, kept: ReadonlySet<Digest>): [Tag, Digest][] {
  return [...tags].filter(([tag]) => {
    const subject = subjectOfTag(tag);
    return subject !== undefined && kept.has(subject);
  });
}
