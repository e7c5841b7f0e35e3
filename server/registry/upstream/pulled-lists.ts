/** Lists that an upstream has: asked for now and then, and remembered. Nothing of it is kept on the disk. */
import { BoundedMemory } from '../../bounded-memory.js';
import { DepotError } from '../../errors.js';
import { Expiring } from './expiring.js';
import type { FetchedList, ListHaste } from './fetch-list.js';
import type { Tally } from './figures.js';
import { staleWarning } from './stale-warning.js';
import type { Timing } from './timing.js';

/** What asking for lists needs. */
export interface PulledListParts {
  readonly tally: Tally;
  readonly timing: Timing;
  /** How long a list may be shown that its upstream does not confirm, in milliseconds. */
  readonly staleTags: number;
}

/** What an upstream lists, and what the reader of it should know. */
export interface PulledList<T> {
  /** `undefined` if the upstream has no such list. */
  readonly items: readonly T[] | undefined;
  /** Why this may not be what the upstream has now. */
  readonly warning?: string | undefined;
}

/** One list that is wanted. */
export interface WantedList<T> {
  /** Unique among the lists of its kind. */
  readonly key: string;
  /** The name of the upstream, for messages. */
  readonly upstream: string;
  /** Whether something of it is here, which is better than a failure. */
  readonly isHere: () => Promise<boolean>;
  /** @returns `undefined` if the upstream has no such list */
  readonly fetch: (haste: ListHaste) => Promise<FetchedList<T> | undefined>;
}

interface Remembered<T> {
  readonly items: readonly T[] | undefined;
  readonly bytes: number;
  /** By the clock of the process, in milliseconds. */
  readonly at: number;
}

const REMEMBERED_BYTES = 32 * 1024 * 1024;
/** What an entry takes beside its items. */
const BYTES_AROUND = 500;

/** The lists of one kind. */
export class PulledLists<T> {
  readonly #parts: PulledListParts;
  readonly #remembered = new BoundedMemory<Remembered<T>>(
    REMEMBERED_BYTES,
    ({ bytes }) => bytes + BYTES_AROUND,
  );
  /** Why a list could not be had a moment ago. */
  readonly #failures = new Expiring<DepotError>();
  readonly #asking = new Map<string, Promise<PulledList<T>>>();

  constructor(parts: PulledListParts) {
    this.#parts = parts;
  }

  /**
   * Finds a list.
   *
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`: and nothing of it is here or remembered
   */
  async find(wanted: WantedList<T>): Promise<PulledList<T>> {
    const known = this.#remembered.find(wanted.key);
    if (known !== undefined && ageOf(known) < this.#parts.timing.freshTag) return known;
    const running = this.#asking.get(wanted.key);
    if (running !== undefined) return running;
    const asking = this.#ask(wanted, known).finally(() => this.#asking.delete(wanted.key));
    this.#asking.set(wanted.key, asking);
    return asking;
  }

  async #ask(wanted: WantedList<T>, known: Remembered<T> | undefined): Promise<PulledList<T>> {
    const { tally, timing } = this.#parts;
    const hasCopy = known?.items !== undefined || (await wanted.isHere());
    const before = this.#failures.get(wanted.key);
    if (before !== undefined) return this.#stale(wanted, known, hasCopy, before);
    try {
      const fetched = await wanted.fetch({
        tries: hasCopy ? 2 : 3,
        withinMs: hasCopy ? timing.revalidate : timing.manifest,
        allWithinMs: timing.manifest,
      });
      const now = { items: fetched?.items, bytes: fetched?.bytes ?? 0, at: performance.now() };
      this.#remembered.keep(wanted.key, now);
      return now;
    } catch (error) {
      if (!(error instanceof DepotError)) throw error;
      tally.errors += 1;
      this.#failures.set(wanted.key, error, timing.freshTag);
      return this.#stale(wanted, known, hasCopy, error);
    }
  }

  #stale(
    { upstream }: WantedList<T>,
    known: Remembered<T> | undefined,
    hasCopy: boolean,
    error: DepotError,
  ): PulledList<T> {
    const { tally, staleTags } = this.#parts;
    if (!hasCopy) throw error;
    tally.stale += 1;
    const age = known === undefined ? undefined : ageOf(known);
    const items = age === undefined || age > staleTags ? [] : known?.items;
    return { items, warning: staleWarning(upstream, error, age) };
  }
}

function ageOf({ at }: { readonly at: number }): number {
  return performance.now() - at;
}
