/** All blobs that are being fetched: each of them once. */
import { setMaxListeners } from 'node:events';
import { makeDurableFolder } from '../../disk/folders.js';
import type { FreeSpace } from '../../disk/free-space.js';
import type { Digest } from '../../oci/digest.js';
import type { RepositoryName } from '../../oci/reference.js';
import type { Blobs } from '../blobs.js';
import type { Content } from '../content.js';
import type { Layout } from '../layout.js';
import { BlobTransfer } from './blob-transfer.js';
import type { Tally } from './figures.js';
import { type ColdBlob, type Fill, pour } from './fill.js';
import { GrowingFile } from './growing-file.js';
import { remoteName } from './names.js';
import { Places } from './places.js';
import type { Source } from './source.js';
import type { Timing } from './timing.js';

/** What fetching needs. */
export interface FillParts {
  readonly layout: Layout;
  readonly space: FreeSpace;
  readonly content: Content;
  readonly blobs: Blobs;
  readonly tally: Tally;
  readonly timing: Timing;
}

/** Blobs that one upstream is asked for at once. */
const AT_ONCE = 8;

/** The fetches of one registry. */
export class Fills {
  readonly #parts: FillParts;
  readonly #running = new Map<Digest, Fill>();
  readonly #places = new Map<Source, Places>();
  readonly #closing = new AbortController();

  constructor(parts: FillParts) {
    this.#parts = parts;
    // As many as there are requests under way.
    setMaxListeners(0, this.#closing.signal);
  }

  /** The fetch of a blob, if it is under way. */
  running(digest: Digest): Fill | undefined {
    return this.#running.get(digest);
  }

  /** Begins to fetch a blob that nobody is fetching. It goes on whoever leaves. */
  start(source: Source, repository: RepositoryName, digest: Digest): Fill {
    const places = this.#places.get(source) ?? new Places(AT_ONCE);
    this.#places.set(source, places);
    const repositories = new Set([repository]);
    let done: Promise<void> = Promise.resolve();
    const opened = new Promise<ColdBlob>((open, fail) => {
      done = places.take(() => this.#fetch(source, repository, digest, repositories, open));
      done.catch((error: unknown) => {
        this.#running.delete(digest);
        fail(error);
      });
    });
    // Whoever waits for it gets to know; if nobody does it does not matter.
    opened.catch(() => undefined);
    const fill = { repositories, opened, done };
    this.#running.set(digest, fill);
    return fill;
  }

  /** Breaks all fetches off; nothing of them stays. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done));
  }

  async #fetch(
    source: Source,
    repository: RepositoryName,
    digest: Digest,
    repositories: ReadonlySet<RepositoryName>,
    opened: (blob: ColdBlob) => void,
  ): Promise<void> {
    const { layout, space, content, blobs, tally, timing } = this.#parts;
    this.#closing.signal.throwIfAborted();
    await makeDurableFolder(layout.stage);
    const file = await GrowingFile.create(layout.data(digest), layout.stage);
    const transfer = new BlobTransfer({
      source,
      name: remoteName(source.name, repository),
      digest,
      backoff: timing.backoff,
      signal: this.#closing.signal,
      onBytes: (bytes) => {
        tally.bytes += bytes;
      },
    });
    let failure: unknown;
    try {
      await pour(transfer, file, { digest, upstream: source.name, space }, opened);
      await file.sync();
      await content.place(digest, file.path);
      file.movedTo(layout.data(digest));
      // Some may join meanwhile. Whoever comes when it is forgotten finds the content itself.
      for (const each of repositories) await blobs.mount(each, digest, undefined);
      this.#running.delete(digest);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      await file.end(failure);
    }
  }
}
