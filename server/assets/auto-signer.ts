/** Signing what is new or changed, for as long as a process runs: `sign --watch` and `serve --sign`. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DepotError, fileError, outcomeOf } from '../errors.js';
import { Bell } from './bell.js';
import { type SignRequest, type SignRound, signAssets } from './sign-assets.js';
import type { SignedFile } from './sign-file.js';
import { isYounger, lookAtOnce, SignMemory } from './sign-memory.js';
import { isAciName } from './signature-name.js';
import { type FolderWatch, watchFolders } from './watch-folders.js';

/** Without any event the folders are looked through so often: not every file system tells of changes. */
const LOOK_EVERY_MS = 60_000;
/** The same while something has failed. */
const LOOK_AGAIN_MS = 30_000;
/** Between two pieces of a file that only has to be looked through: that takes about a quarter of a processor. */
const PAUSE_MS = 1;

const ACI_SIGNATURE_ENDING = '.asc';

/** What to sign, and who is told. */
export interface AutoSignerOptions extends Omit<SignRequest, 'round' | 'signal' | 'progress'> {
  /** A file is signed when it has not changed for so long, milliseconds. */
  readonly quietMs: number;
  /** Whether others need the processor meanwhile, as the clients of a server do. */
  readonly gentle: boolean;
  /** Told what keeps it from noticing changes at once, or from a whole run; it goes on, and looks every minute. */
  readonly onTrouble: (error: DepotError) => void;
}

/** How many files are in which state. */
export type SignCounts = Readonly<Record<'signed' | 'pending' | 'refused' | 'failed', number>>;

/** A signer that goes on until it is stopped. */
export class AutoSigner {
  readonly #options: AutoSignerOptions;
  readonly #memory = new SignMemory();
  readonly #bell = new Bell();
  readonly #stopping = new AbortController();
  /** What was found last, by path. */
  #latest: ReadonlyMap<string, SignedFile> = new Map();
  readonly #said = new Map<string, string>();
  #watch: FolderWatch | undefined;
  #working: Promise<void> | undefined;

  constructor(options: AutoSignerOptions) {
    this.#options = options;
  }

  /** Begins to watch and to sign. */
  async start(): Promise<void> {
    const { assets, paths, boot, onTrouble } = this.#options;
    this.#watch = await watchFolders({
      paths: paths.length > 0 ? paths : [assets.dir],
      matters: (path) => boot || isAciName(withoutEnding(path)),
      onChange: this.#bell.ring,
      onError: (error) => onTrouble(fileError(error, assets.dir)),
    });
    this.#working = this.#work();
  }

  /** Ends in order: a signature that is being made is published or given up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#bell.ring();
    await this.#watch?.stop();
    await this.#working;
  }

  /**
   * What a client that asks for a signature is to be told. Looks at the disk each time, so that a file that was
   * replaced is noticed before any event tells of it.
   *
   * @param name - of the signature, relative to the assets folder
   * @returns `pending`: it is being made; `withheld`: the one that is there is older than the file, and there will be
   *   no other; `settled`: nothing of the kind
   */
  readonly signatureState = (name: string): 'pending' | 'withheld' | 'settled' => {
    const path = join(this.#options.assets.dir, withoutEnding(name));
    if (!name.endsWith(ACI_SIGNATURE_ENDING) || !isAciName(path)) return 'settled';
    const look = lookAtOnce(path, path + ACI_SIGNATURE_ENDING);
    if (look.file === undefined) return 'settled';
    const known = this.#memory.recall(path, look);
    if (known !== undefined) return isTrouble(known) && !isYounger(look) ? 'withheld' : 'settled';
    if (isYounger(look) && !this.#memory.isLeftOver(path, look)) return 'settled';
    this.#bell.ring();
    return 'pending';
  };

  /** How many files are in which state. */
  readonly counts = (): SignCounts => {
    const counts = { signed: 0, pending: 0, refused: 0, failed: 0 };
    for (const { action } of this.#latest.values()) counts[STATES[action]] += 1;
    return counts;
  };

  /** `ok`, or what keeps it from its work, without any path. */
  readonly condition = (): string => {
    const { dir } = this.#options.assets;
    for (const { path, code } of this.#latest.values()) {
      if (code !== undefined && (code === 'DISK_FULL' || path === dir)) {
        return outcomeOf(new DepotError(code, '')).text;
      }
    }
    return 'ok';
  };

  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    const { gentle, quietMs } = this.#options;
    const pause = gentle ? (): Promise<void> => sleep(PAUSE_MS) : undefined;
    const round: SignRound = { memory: this.#memory, quietMs, isUrgent: this.#bell.isRung, pause };
    while (!signal.aborted) {
      this.#bell.take();
      await this.#sign(round);
      await this.#bell.wait(this.#nextLookMs(), quietMs / 4, signal);
    }
  }

  async #sign(round: SignRound): Promise<void> {
    const found = new Map(this.#latest);
    this.#latest = found;
    const onFile = (file: SignedFile): void => {
      found.set(file.path, file);
      this.#tell(file);
    };
    try {
      const files = await signAssets({ ...this.#options, onFile, round, signal: this.#stopping.signal });
      this.#latest = new Map(files.map((file) => [file.path, file]));
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#options.onTrouble(fileError(error, this.#options.assets.dir));
    }
  }

  /** Passes on what is news: not that a file still is as it was, and the same trouble only once. */
  #tell(file: SignedFile): void {
    const { path, action, reason } = file;
    if (action === 'waiting') return;
    const sound = action === 'good' || action === 'kept';
    const told = sound ? 'sound' : `${action} ${reason}`;
    const before = this.#said.get(path);
    this.#said.set(path, isTrouble(file) ? told : 'sound');
    if (before !== told) this.#options.onFile(file);
  }

  #nextLookMs(): number {
    const actions = new Set([...this.#latest.values()].map(({ action }) => action));
    if (actions.has('waiting')) return Math.max(this.#options.quietMs / 2, 1);
    return actions.has('failed') ? LOOK_AGAIN_MS : LOOK_EVERY_MS;
  }
}

const STATES = {
  signed: 'signed',
  good: 'signed',
  're-signed': 'signed',
  kept: 'signed',
  waiting: 'pending',
  refused: 'refused',
  failed: 'failed',
} as const;

function isTrouble({ action }: SignedFile): boolean {
  return action === 'refused' || action === 'failed';
}

function withoutEnding(name: string): string {
  return name.endsWith(ACI_SIGNATURE_ENDING) ? name.slice(0, -ACI_SIGNATURE_ENDING.length) : name;
}
