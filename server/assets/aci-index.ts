/**
 * The images of the assets folder by name and labels. It is kept up to date by looking when it is asked, not by
 * watching: network file systems do not tell of changes, and a look costs one `stat` for each image that is as it was.
 */
import { sameVersion } from '../disk/file-version.js';
import { DepotError, fileError } from '../errors.js';
import { type AciMemory, loadAciMemory, type RememberedAci, saveAciMemory } from './aci-memory.js';
import { type SeenAci, scanAcis, versionOfAsset } from './aci-scan.js';
import type { AssetsFolder } from './asset.js';
import { chooseAci, type IndexedAci, type LatestRule, type WantedAci } from './choose-aci.js';

/** What an index works with, and who is told. */
export interface AciIndexOptions {
  readonly assets: AssetsFolder;
  /** Where what was read is kept over a restart. */
  readonly memoryPath: string;
  readonly latest: LatestRule;
  /** How long what was seen is believed, in milliseconds; by default 2,000; 0: it looks whenever it is asked. */
  readonly lookEveryMs?: number | undefined;
  /** How many images it holds at most; by default 20,000. */
  readonly mostImages?: number | undefined;
  /** Told of a file that was read and is no image. */
  readonly onPassedOver: (file: string, reason: string) => void;
  /** Told what keeps it from seeing everything; not again while that lasts. */
  readonly onTrouble: (error: DepotError) => void;
}

const LOOK_EVERY_MS = 2_000;
const MOST_IMAGES = 20_000;
/** Going through the folder takes at most a tenth of the time, however large it is. */
const REST_FACTOR = 9;
/** A file that is replaced so often between two looks is given up. */
const MAX_ATTEMPTS = 5;

/** An index that lives as long as its server. */
export class AciIndex {
  readonly #options: AciIndexOptions;
  readonly #stopping = new AbortController();
  /** What the file of the memory says; `undefined` until it is read. */
  #saved: AciMemory | undefined;
  #seen: ReadonlyMap<string, SeenAci> = new Map();
  #byImage: ReadonlyMap<string, readonly IndexedAci[]> = new Map();
  /** Everything that names of images begin with, up to a slash. */
  #parents: ReadonlySet<string> = new Set();
  /** On the clock that is never set back. */
  #freshUntil = 0;
  #looking: Promise<void> | undefined;
  #troubles: ReadonlySet<string> = new Set();

  constructor(options: AciIndexOptions) {
    this.#options = options;
  }

  /** Looks now, so that the first client need not wait until every manifest is read. */
  start(): void {
    void this.#lookIfStale();
  }

  /** Ends a look that is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#looking;
  }

  /** Whether there is an image of this name, or one whose name goes on with a slash. */
  async knows(name: string): Promise<boolean> {
    await this.#lookIfStale();
    return this.#byImage.has(name) || this.#parents.has(name);
  }

  /**
   * Finds an image. Its file is looked at again, so that what was replaced since the last look is not given.
   *
   * @throws DepotError `FILE_CHANGED`: files are being replaced all the time
   */
  async find(wanted: WantedAci): Promise<IndexedAci | undefined> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      await this.#lookIfStale();
      const chosen = chooseAci(this.#byImage.get(wanted.image) ?? [], wanted, this.#options.latest);
      if (chosen === undefined || (await this.#isAsSeen(chosen.file))) return chosen;
      this.#freshUntil = 0;
    }
    throw new DepotError('FILE_CHANGED', `${wanted.image} is being replaced all the time`);
  }

  async #isAsSeen(file: string): Promise<boolean> {
    const seen = this.#seen.get(file)?.version;
    const current = await versionOfAsset(this.#options.assets, file);
    return seen !== undefined && current !== undefined && sameVersion(seen, current);
  }

  async #lookIfStale(): Promise<void> {
    const isStale = performance.now() >= this.#freshUntil && !this.#stopping.signal.aborted;
    if (this.#looking === undefined && isStale) {
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined;
      });
    }
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { assets, mostImages = MOST_IMAGES, onPassedOver, lookEveryMs = LOOK_EVERY_MS } = this.#options;
    const troubles = new Set<string>();
    const onTrouble = (error: DepotError): void => {
      troubles.add(error.message);
      if (!this.#troubles.has(error.message)) this.#options.onTrouble(error);
    };
    let restMs = lookEveryMs;
    try {
      this.#saved ??= await loadAciMemory(this.#options.memoryPath);
      const before = new Map<string, RememberedAci>([...this.#saved, ...this.#seen]);
      const scan = { assets, mostImages, onPassedOver, onTrouble };
      const { seen, walkMs } = await scanAcis(scan, before, this.#stopping.signal);
      if (lookEveryMs > 0) restMs = Math.max(lookEveryMs, REST_FACTOR * walkMs);
      if (!this.#stopping.signal.aborted) await this.#keep(seen);
    } catch (error) {
      onTrouble(fileError(error, assets.dir));
    }
    this.#troubles = troubles;
    this.#freshUntil = performance.now() + restMs;
  }

  async #keep(seen: ReadonlyMap<string, SeenAci>): Promise<void> {
    if (isSame(seen, this.#seen, (one, other) => one.isSigned === other.isSigned)) return;
    this.#arrange(seen);
    if (this.#saved !== undefined && isSame(seen, this.#saved)) return;
    this.#saved = seen;
    await saveAciMemory(this.#options.memoryPath, seen);
  }

  #arrange(seen: ReadonlyMap<string, SeenAci>): void {
    const byImage = new Map<string, IndexedAci[]>();
    const parents = new Set<string>();
    for (const [file, { identity, version, isSigned }] of seen) {
      if (identity === undefined) continue;
      const { image } = identity;
      const images = byImage.get(image) ?? [];
      images.push({ ...identity, file, isSigned, modifiedMs: version.mtimeMs });
      byImage.set(image, images);
      for (let end = image.indexOf('/'); end !== -1; end = image.indexOf('/', end + 1)) {
        parents.add(image.slice(0, end));
      }
    }
    this.#seen = seen;
    this.#byImage = byImage;
    this.#parents = parents;
  }
}

/** Whether two looks saw the same versions of the same files. */
function isSame<T extends RememberedAci>(
  one: ReadonlyMap<string, T>,
  other: ReadonlyMap<string, T>,
  agree: (one: T, other: T) => boolean = () => true,
): boolean {
  if (one.size !== other.size) return false;
  for (const [file, there] of one) {
    const here = other.get(file);
    if (here === undefined || !sameVersion(here.version, there.version) || !agree(here, there)) return false;
  }
  return true;
}
