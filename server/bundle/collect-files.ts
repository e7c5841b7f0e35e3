/** Which assets, certificates and image signatures a bundle is to carry. Assets are hashed: bundle.json comes before them. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type AssetsFolder, findAsset } from '../assets/asset.js';
import { walkFiles } from '../disk/walk.js';
import { DepotError, fileError, isMissing } from '../errors.js';
import { digestOf } from '../oci/digest.js';
import { publishedKeys } from '../openpgp/published-keys.js';
import { hashFile } from '../stream/hash-file.js';
import type { BundledRepository } from './contents.js';
import { type BundlePlace, placeIn, signedRoot } from './paths.js';
import { fileOf, type PlannedFile } from './planned-file.js';

/** The largest signature in the lookaside folder that is carried, in bytes. */
export const MAX_LOOKASIDE_BYTES = 1024 * 1024;

/** What collecting can be told. */
export interface CollectFilesOptions {
  /** Told of what is left out, a sentence each. */
  readonly warn: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Collects and hashes assets, each directly followed by its signatures.
 *
 * @param wants - given the path below the assets folder
 * @throws DepotError `FILE_CHANGED`, `NOT_FOUND`: one was written to or removed meanwhile; `ACCESS_DENIED`; `INTERRUPTED`
 */
export async function collectAssets(
  folder: AssetsFolder,
  wants: (name: string) => boolean,
  { warn, signal, onBytes }: CollectFilesOptions,
): Promise<PlannedFile[]> {
  const names: string[] = [];
  for await (const name of walkFiles(folder.dir, folder)) if (wants(name)) names.push(name);
  const files: PlannedFile[] = [];
  for (const name of names.sort(besideItsSignatures)) {
    const path = `assets/${name}`;
    const found = placeIn(path)?.kind === 'asset' ? await findOrWarn(folder, name, warn) : undefined;
    if (found === undefined) {
      warn(`left out: ${path} is not served`);
      continue;
    }
    const { hashes, version } = await hashFile(found, ['sha256'], { signal, onBytes });
    const hex = hashes.get('sha256')?.copy().digest('hex') ?? '';
    files.push({ path, size: version.size, digest: digestOf('sha256', hex), from: { path: found, version } });
  }
  return files;
}

async function findOrWarn(
  folder: AssetsFolder,
  name: string,
  warn: (text: string) => void,
): Promise<string | undefined> {
  try {
    return (await findAsset(folder, { parts: name.split('/'), folder: false })).path;
  } catch (error) {
    if (!(error instanceof DepotError) || error.code !== 'NOT_FOUND') throw error;
    warn(error.message);
    return undefined;
  }
}

function besideItsSignatures(one: string, other: string): number {
  const [root, otherRoot] = [signedRoot(one), signedRoot(other)];
  if (root !== otherRoot) return root < otherRoot ? -1 : 1;
  return one < other ? -1 : 1;
}

/** Collects the certificates that the depot publishes. */
export async function collectKeys(keysDir: string): Promise<PlannedFile[]> {
  const { keys } = await publishedKeys(keysDir)();
  const files = keys.map(({ certificate }) =>
    fileOf(`keys/${certificate.fingerprint}.asc`, certificate.armored),
  );
  return files.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/**
 * Collects the signatures of images that lie in the lookaside folder, if there is one.
 *
 * @throws DepotError `ACCESS_DENIED`, `IO_FAILED`
 */
export async function collectLookaside(
  dir: string,
  images: readonly BundledRepository[],
  { warn }: Pick<CollectFilesOptions, 'warn'>,
): Promise<PlannedFile[]> {
  const wanted = new Set(
    images.flatMap(({ repository, manifests }) => manifests.map(({ digest }) => `${repository}@${digest}`)),
  );
  const files: PlannedFile[] = [];
  if (!(await exists(dir))) return files;
  for await (const name of walkFiles(dir, { symlinks: 'inside' })) {
    const path = `lookaside/${name}`;
    if (!isOfImage(placeIn(path), wanted)) continue;
    const bytes = await readFile(join(dir, name)).catch((error: unknown) => {
      throw fileError(error, path);
    });
    if (bytes.length > MAX_LOOKASIDE_BYTES) warn(`left out: ${path} is too large to be a signature`);
    else files.push(fileOf(path, bytes));
  }
  return files;
}

function isOfImage(place: BundlePlace | undefined, wanted: ReadonlySet<string>): boolean {
  return place?.kind === 'lookaside' && wanted.has(`${place.repository}@${place.digest}`);
}

async function exists(dir: string): Promise<boolean> {
  try {
    return (await stat(dir)).isDirectory();
  } catch (error) {
    if (isMissing(error)) return false;
    throw fileError(error, dir);
  }
}
