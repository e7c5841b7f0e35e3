/** One look through the assets folder for images: only what is new or changed is read. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import { walkFiles } from '../disk/walk.js';
import { DepotError, fileError } from '../errors.js';
import { identifyAsset } from './aci-identity.js';
import type { AciMemory, RememberedAci } from './aci-memory.js';
import type { AssetsFolder } from './asset.js';
import { inParallel } from './in-parallel.js';
import { isAciName } from './signature-name.js';

/** What a look needs, and who is told. */
export interface AciScan {
  readonly assets: AssetsFolder;
  /** How many images are looked at, at most. */
  readonly mostImages: number;
  /** Told of a file that was read and is no image. */
  readonly onPassedOver: (file: string, reason: string) => void;
  /** Told what could not be looked at. */
  readonly onTrouble: (error: DepotError) => void;
}

/** One file as it was seen. */
export interface SeenAci extends RememberedAci {
  /** Whether a file `.asc` lies beside it. */
  readonly isSigned: boolean;
}

/** What a look gave. */
export interface AciSight {
  /** By file name, relative to the assets folder. */
  readonly seen: ReadonlyMap<string, SeenAci>;
  /** How long it took to learn the names, in milliseconds. */
  readonly walkMs: number;
}

/** So few that other requests find a free thread. */
const FILES_AT_ONCE = 2;
const SIGNATURE_ENDING = '.asc';

/** What the same bytes will lead to again; any other failure may pass. */
const LASTING = 'ACI_INVALID';

/**
 * Looks through the folder.
 *
 * @param before - what earlier looks found
 * @param signal - ends it early, with what was seen until then
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`: the assets folder itself cannot be read
 */
export async function scanAcis(scan: AciScan, before: AciMemory, signal: AbortSignal): Promise<AciSight> {
  const begun = performance.now();
  const { files, signatures } = await listAcis(scan);
  const walkMs = performance.now() - begun;
  const seen = new Map<string, SeenAci>();
  await inParallel(files, FILES_AT_ONCE, async (file) => {
    const found = signal.aborted ? undefined : await lookAt(file, scan, before.get(file));
    if (found !== undefined) seen.set(file, { ...found, isSigned: signatures.has(file) });
  });
  return { seen, walkMs };
}

/** The version of an asset; `undefined` where nothing is there. */
export async function versionOfAsset({ dir }: AssetsFolder, file: string): Promise<FileVersion | undefined> {
  return await stat(join(dir, file)).catch(() => undefined);
}

async function listAcis({ assets, mostImages, onTrouble }: AciScan) {
  const files: string[] = [];
  const signatures = new Set<string>();
  for await (const file of walkFiles(assets.dir, { symlinks: assets.symlinks, onUnreadable: onTrouble })) {
    if (file.endsWith(SIGNATURE_ENDING)) signatures.add(file.slice(0, -SIGNATURE_ENDING.length));
    else if (isAciName(file) && files.push(file) > mostImages) {
      onTrouble(new DepotError('IO_FAILED', `more than ${mostImages} ACIs: the rest is not found by name`));
      files.pop();
      break;
    }
  }
  return { files, signatures };
}

async function lookAt(
  file: string,
  { assets, onPassedOver }: AciScan,
  before: RememberedAci | undefined,
): Promise<RememberedAci | undefined> {
  const version = await versionOfAsset(assets, file);
  if (version === undefined) return undefined;
  if (before !== undefined && sameVersion(before.version, version)) return before;
  try {
    return { version, identity: await identifyAsset(assets, file) };
  } catch (error) {
    const { message, code } = fileError(error, file);
    onPassedOver(file, message);
    return code === LASTING ? { version } : undefined;
  }
}
