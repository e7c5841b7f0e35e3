/** Writing a bundle: collected, planned, signed, and then streamed without a second copy anywhere. */
import { createHash } from 'node:crypto';
import type { AssetsFolder } from '../assets/asset.js';
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { armorSignature, type HashName, signHashed } from '../openpgp/detached.js';
import type { SigningKey } from '../openpgp/signing-key.js';
import type { Registry } from '../registry/open-registry.js';
import { END_MARK, paddingOf } from '../stream/tar-writer.js';
import type { BundleSink } from './bundle-file.js';
import { collectAssets, collectKeys, collectLookaside } from './collect-files.js';
import { type CollectedImages, collectImages } from './collect-images.js';
import { type BundledRepository, formatContents } from './contents.js';
import { FileBytes } from './file-bytes.js';
import { fileGlobs, imageGlobs } from './globs.js';
import { CONTENTS_NAME, SIGNATURE_NAME } from './paths.js';
import { type Cargo, type EarlierBundle, planBundle } from './plan-bundle.js';
import { fileOf, type PlannedFile } from './planned-file.js';
import { bytesInTar, headerOf } from './tar-file.js';

/** What goes into a bundle; `all`: every image, every asset, all that speaks of them. */
export type BundleChoice =
  | 'all'
  | {
      /** Globs of repositories, or of tags of some: `coreos/*`, `coreos/etcd:v3*`. */
      readonly images: readonly string[];
      /** Globs of paths below the assets folder. */
      readonly files: readonly string[];
    };

/** What a bundle is made of. */
export interface CreateRequest {
  /** Where there is one. */
  readonly registry: Registry | undefined;
  readonly assets: AssetsFolder;
  readonly keysDir: string;
  readonly lookasideDir: string;
  readonly choice: BundleChoice;
  readonly since?: EarlierBundle | undefined;
  readonly key: SigningKey;
  readonly hashName: HashName;
  /** The time of the signature: all else in a bundle is the same whenever it is made. */
  readonly now: Date;
  readonly sink: BundleSink;
  readonly signal?: AbortSignal | undefined;
  /** Told of what is left out, a sentence each. */
  readonly warn: (text: string) => void;
  /** Told how many bytes the bundle will have, and then of each piece of them. */
  readonly onTotal?: ((bytes: number) => void) | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** A bundle that was written. */
export interface CreatedBundle {
  /** Of its bundle.json. */
  readonly digest: Digest;
  readonly bytes: number;
  /** Beside bundle.json and its signature. */
  readonly files: number;
  readonly images: readonly BundledRepository[];
  /** Files that the base has, and that are not carried again. */
  readonly inBase: number;
}

/**
 * Writes a bundle. When it fails the sink is discarded: no bundle is left.
 *
 * @throws DepotError `NOT_FOUND`: nothing is chosen by what was asked for; `BLOB_UNKNOWN`, `MANIFEST_UNKNOWN`: an image is not whole;
 *   `CHECK_FAILED`: a blob is damaged; `FILE_CHANGED`; `DISK_FULL`; `INTERRUPTED`; `KEY_UNUSABLE`
 */
export async function createBundle(request: CreateRequest): Promise<CreatedBundle> {
  const { sink } = request;
  try {
    const created = await write(request);
    await sink.commit();
    return created;
  } catch (error) {
    await sink.discard();
    throw error;
  }
}

async function write(request: CreateRequest): Promise<CreatedBundle> {
  const { registry, sink, since } = request;
  const contents = planBundle(await collect(request), since);
  const head = fileOf(CONTENTS_NAME, formatContents(contents));
  const files = [head, await sign(head, request), ...contents.files];
  const bytes = files.reduce((sum, file) => sum + bytesInTar(file), END_MARK.length);
  await sink.expect(bytes);
  request.onTotal?.(bytes);
  await send(tarOf(files, new FileBytes(registry?.content)), request);
  const inBase = contents.base?.files.length ?? 0;
  return { digest: head.digest, bytes, files: contents.files.length, images: contents.images, inBase };
}

const NO_IMAGES: CollectedImages = { repositories: [], contents: new Map() };

async function collect(request: CreateRequest): Promise<Cargo> {
  const { registry, choice, warn, signal } = request;
  const wantsImage = choice === 'all' ? () => true : imageGlobs(choice.images);
  const wantsFile = choice === 'all' ? () => true : fileGlobs(choice.files);
  const images = registry ? await collectImages(registry, wantsImage, { warn }) : NO_IMAGES;
  const assets = await collectAssets(request.assets, wantsFile, { warn, signal });
  if (choice !== 'all' && images.repositories.length + assets.length === 0) {
    throw new DepotError('NOT_FOUND', 'no image and no file matches what was asked for');
  }
  const lookaside = await collectLookaside(request.lookasideDir, images.repositories, { warn });
  return { images, assets, lookaside, keys: await collectKeys(request.keysDir) };
}

async function sign({ from }: PlannedFile, { key, hashName, now }: CreateRequest): Promise<PlannedFile> {
  const hash = createHash(hashName);
  if ('bytes' in from) hash.update(from.bytes);
  return fileOf(SIGNATURE_NAME, await armorSignature(await signHashed(key, hash, hashName, now)));
}

async function* tarOf(files: readonly PlannedFile[], bytes: FileBytes): AsyncGenerator<Uint8Array> {
  for (const file of files) {
    yield headerOf(file);
    yield* bytes.read(file);
    yield Buffer.alloc(paddingOf(file.size));
  }
  yield END_MARK;
}

/** Pieces of less than that are written together. */
const SMALL_BYTES = 64 * 1024;

/** While one piece is written the next is made ready. */
async function send(
  pieces: AsyncIterable<Uint8Array>,
  { sink, signal, onBytes }: CreateRequest,
): Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  const begin = async (piece: Uint8Array): Promise<void> => {
    await writing;
    writing = sink.write(piece);
    // Whoever waits for it next is told of a failure.
    writing.catch(() => undefined);
    onBytes?.(piece.length);
  };
  let small: Uint8Array[] = [];
  let smallBytes = 0;
  const flush = async (): Promise<void> => {
    if (smallBytes > 0) await begin(Buffer.concat(small));
    small = [];
    smallBytes = 0;
  };
  try {
    for await (const piece of pieces) {
      if (signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted: no bundle is left');
      if (piece.length >= SMALL_BYTES) {
        await flush();
        await begin(piece);
        continue;
      }
      // Its buffer is used again.
      small.push(Buffer.from(piece));
      smallBytes += piece.length;
      if (smallBytes >= SMALL_BYTES) await flush();
    }
    await flush();
  } finally {
    await writing.catch(() => undefined);
  }
  await writing;
}
