/** From what a bundle is to carry to its list of files: the order is that in which a depot can take them in. */
import { formatChecksums } from '../assets/checksums.js';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { OCI_INDEX } from '../oci/media-type.js';
import type { CollectedImages, CollectedRepository } from './collect-images.js';
import type { Base, BundleFile, Contents } from './contents.js';
import { blobPath } from './paths.js';
import { fileOf, type PlannedFile } from './planned-file.js';

/** What is to be carried. */
export interface Cargo {
  readonly images: CollectedImages;
  readonly keys: readonly PlannedFile[];
  readonly lookaside: readonly PlannedFile[];
  readonly assets: readonly PlannedFile[];
}

/** A bundle that is there already, as far as a difference needs it. */
export interface EarlierBundle {
  /** Of its bundle.json. */
  readonly bundle: Digest;
  /** All that whoever loaded it has. */
  readonly files: readonly BundleFile[];
}

/**
 * Plans a bundle: what other programs read, certificates, image signatures, assets, blobs, and last the manifests.
 *
 * @param since - what it has is not carried again
 */
export function planBundle(cargo: Cargo, since: EarlierBundle | undefined): Contents<PlannedFile> {
  const { images } = cargo;
  const all = [...cargo.keys, ...cargo.lookaside, ...cargo.assets, ...contentFiles(images)];
  const known = new Set(since?.files.map(nameWithDigest));
  const carried = all.filter((file) => !known.has(nameWithDigest(file)));
  const base: Base<PlannedFile> | undefined = since && {
    bundle: since.bundle,
    files: all.filter((file) => known.has(nameWithDigest(file))),
  };
  const layout = [
    fileOf('oci-layout', '{"imageLayoutVersion":"1.0.0"}\n'),
    fileOf('index.json', indexOf(images, new Set(carried.map(({ path }) => path)))),
  ];
  const listed = [...layout, ...carried];
  return { base, images: images.repositories, files: [...checksumLists(listed), ...listed] };
}

function nameWithDigest({ path, digest }: BundleFile): string {
  return `${digest} ${path}`;
}

/** Manifests come last: when one is there all it refers to is. */
function contentFiles({ repositories, contents }: CollectedImages): PlannedFile[] {
  const manifests = new Set(repositories.flatMap((each) => each.manifests.map(({ digest }) => digest)));
  const blobs = [...contents.keys()].filter((digest) => !manifests.has(digest)).sort();
  return [...blobs, ...manifests].flatMap((digest) => {
    const content = contents.get(digest);
    return content ? [{ path: blobPath(digest), size: content.stats.size, digest, from: { content } }] : [];
  });
}

/** What `sha256sum -c` and `sha512sum -c` check. */
function checksumLists(files: readonly PlannedFile[]): PlannedFile[] {
  const isShort = ({ digest }: BundleFile) => algorithmOf(digest) === 'sha256';
  const short = files.filter(isShort).map(({ path, digest }) => ({ name: path, sha256: hexOf(digest) }));
  // Only content has such names, and nothing in them is to be escaped.
  const long = files
    .filter((file) => !isShort(file))
    .map(({ path, digest }) => `${hexOf(digest)}  ${path}\n`);
  const lists = [fileOf('SHA256SUMS', formatChecksums(short))];
  return long.length === 0 ? lists : [...lists, fileOf('SHA512SUMS', long.sort().join(''))];
}

/** The index of the OCI layout: images that are whole in this very bundle, by their names. */
function indexOf({ repositories }: CollectedImages, carried: ReadonlySet<string>): string {
  const manifests = repositories.flatMap((each) => namedManifests(each, carried));
  return `${JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })}\n`;
}

function namedManifests(
  { repository, tags, manifests }: CollectedRepository,
  carried: ReadonlySet<string>,
): readonly object[] {
  const whole = new Set<Digest>();
  for (const { digest, blobs, manifests: children } of manifests) {
    const isHere = [digest, ...blobs].every((each) => carried.has(blobPath(each)));
    if (isHere && children.every((child) => whole.has(child))) whole.add(digest);
  }
  const byDigest = new Map(manifests.map((manifest) => [manifest.digest, manifest]));
  return [...tags].flatMap(([tag, digest]) => {
    const manifest = whole.has(digest) ? byDigest.get(digest) : undefined;
    if (manifest === undefined) return [];
    const { mediaType, size } = manifest;
    const annotations = { 'org.opencontainers.image.ref.name': `${repository}:${tag}` };
    return [{ mediaType, digest, size, annotations }];
  });
}
