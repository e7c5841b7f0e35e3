/** `bundle.json`: what a bundle holds, file by file and in order, and which images the files are. */
import { z } from 'zod';
import { DepotError } from '../errors.js';
import { type Digest, isDigest } from '../oci/digest.js';
import { isRepositoryName, isTag, type RepositoryName, type Tag } from '../oci/reference.js';
import { MAX_MANIFEST_BYTES } from '../registry/manifests.js';
import { type BundlePlace, blobPath, placeIn } from './paths.js';

const FORMAT = 'bootdepot-bundle/1';

/** A file of a bundle. */
export interface BundleFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly digest: Digest;
}

/** A file whose path was checked. */
export interface PlacedFile extends BundleFile {
  readonly place: BundlePlace;
}

/** A manifest, and what of the bundle it refers to. What it names and its depot did not have is not here. */
export interface BundledManifest {
  readonly digest: Digest;
  /** Config and layers. */
  readonly blobs: readonly Digest[];
  /** Of an index; all of them stand before it. */
  readonly manifests: readonly Digest[];
  /** What it speaks of. */
  readonly subject?: Digest | undefined;
}

/** What a bundle has of one repository. */
export interface BundledRepository {
  readonly repository: RepositoryName;
  readonly tags: ReadonlyMap<Tag, Digest>;
  /** In the order in which they can be linked. */
  readonly manifests: readonly BundledManifest[];
}

/** The bundle that a difference rests on, and what it does not repeat of it. */
export interface Base<File extends BundleFile = BundleFile> {
  /** Of its bundle.json. */
  readonly bundle: Digest;
  readonly files: readonly File[];
}

/** All that bundle.json says. */
export interface Contents<File extends BundleFile = BundleFile> {
  readonly base?: Base<File> | undefined;
  readonly images: readonly BundledRepository[];
  /** In the order of the bundle. */
  readonly files: readonly File[];
}

const DIGEST = z.string().refine(isDigest, 'expected a digest');
const FILES = z.array(z.strictObject({ path: z.string(), size: z.int().min(0), digest: DIGEST }));
const CONTENTS = z.strictObject({
  format: z.literal(FORMAT, { error: `expected ${FORMAT}` }),
  base: z.strictObject({ bundle: DIGEST, files: FILES }).optional(),
  images: z.array(
    z.strictObject({
      repository: z.string().refine(isRepositoryName, 'expected a repository name'),
      tags: z.array(z.strictObject({ tag: z.string().refine(isTag, 'expected a tag'), digest: DIGEST })),
      manifests: z.array(
        z.strictObject({
          digest: DIGEST,
          blobs: z.array(DIGEST),
          manifests: z.array(DIGEST),
          subject: DIGEST.optional(),
        }),
      ),
    }),
  ),
  files: FILES,
});

/** Writes bundle.json: a line for each file and each repository, so that people can read and compare it. */
export function formatContents({ base, images, files }: Contents): string {
  const lines = (items: readonly object[]) =>
    `[\n${items.map((item) => JSON.stringify(item)).join(',\n')}\n]`;
  const fields = [
    `"format": ${JSON.stringify(FORMAT)}`,
    ...(base ? [`"base": {"bundle": "${base.bundle}", "files": ${lines(base.files.map(plainFile))}}`] : []),
    `"images": ${lines(images.map(plainRepository))}`,
    `"files": ${lines(files.map(plainFile))}`,
  ];
  return `{\n${fields.join(',\n')}\n}\n`;
}

function plainFile({ path, size, digest }: BundleFile): object {
  return { path, size, digest };
}

function plainRepository({ repository, tags, manifests }: BundledRepository): object {
  const plain = manifests.map(({ digest, blobs, manifests: children, subject }) => ({
    ...{ digest, blobs, manifests: children },
    ...(subject !== undefined && { subject }),
  }));
  return { repository, tags: [...tags].map(([tag, digest]) => ({ tag, digest })), manifests: plain };
}

/**
 * Reads bundle.json, and refuses all that could not have been written by {@link formatContents}.
 *
 * @param bytes - untrusted
 * @throws DepotError `BUNDLE_INVALID`: with the file or the field that is wrong
 */
export function parseContents(bytes: Uint8Array): Contents<PlacedFile> {
  const parsed = CONTENTS.safeParse(parseJson(bytes));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'unexpected'}`);
  }
  const { base, images, files } = parsed.data;
  const placed = files.map(place);
  const before = base?.files.map(place) ?? [];
  const sizes = sizesOf([...placed, ...before]);
  return {
    ...(base && { base: { bundle: base.bundle, files: before } }),
    images: images.map(({ repository, tags, manifests }) => {
      const bundled = { repository, tags: new Map(tags.map(({ tag, digest }) => [tag, digest])), manifests };
      checkRepository(bundled, sizes);
      return bundled;
    }),
    files: placed,
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw invalid('expected JSON in UTF-8');
  }
}

function place(file: BundleFile): PlacedFile {
  const found = placeIn(file.path);
  if (found === undefined) throw invalid(`it names ${JSON.stringify(file.path)}, which no bundle has`);
  if (found.kind === 'blob' && found.digest !== file.digest) {
    throw invalid(`${file.path} has the digest ${file.digest}`);
  }
  return { ...file, place: found };
}

/** Each path once, and none of them the folder of another. */
function sizesOf(files: readonly PlacedFile[]): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  const folders = new Set<string>();
  for (const { path, size } of files) {
    if (sizes.has(path)) throw invalid(`it names ${JSON.stringify(path)} twice`);
    sizes.set(path, size);
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1))
      folders.add(path.slice(0, end));
  }
  for (const path of sizes.keys()) {
    if (folders.has(path)) throw invalid(`${JSON.stringify(path)} is a file and a folder`);
  }
  return sizes;
}

function checkRepository(
  { repository, tags, manifests }: BundledRepository,
  sizes: ReadonlyMap<string, number>,
): void {
  const seen = new Set<Digest>();
  for (const { digest, blobs, manifests: children } of manifests) {
    const size = sizes.get(blobPath(digest));
    if (size === undefined || size > MAX_MANIFEST_BYTES)
      throw invalid(`${repository}: no manifest ${digest}`);
    const missing =
      blobs.find((blob) => !sizes.has(blobPath(blob))) ?? children.find((child) => !seen.has(child));
    if (missing !== undefined) throw invalid(`${repository}: ${digest} needs ${missing}, which is not there`);
    seen.add(digest);
  }
  for (const [tag, digest] of tags) {
    if (!seen.has(digest)) throw invalid(`${repository}:${tag} is ${digest}, which is not there`);
  }
}

function invalid(problem: string): DepotError {
  return new DepotError('BUNDLE_INVALID', `bundle.json: ${problem}`);
}
