/** Images that are signed as they are pushed: one at a time, in the background, again after a while where it fails. */
import picomatch from 'picomatch';
import { Bell } from '../assets/bell.js';
import { DepotError } from '../errors.js';
import type { Logger } from '../log.js';
import type { ContentEvent, RegistryEvent } from '../registry/events.js';
import type { Registry } from '../registry/open-registry.js';
import { eachImage, type NamedImage, parseNamedImage } from './images.js';
import type { SignedImage } from './sign-images.js';

/** What is signed, and by whom. */
export interface PushSignerOptions {
  readonly registry: Pick<Registry, 'catalog' | 'tags'>;
  /** Globs of repositories, such as `coreos/*`; none: nothing is signed. */
  readonly globs: readonly string[];
  /** Signs one image. */
  readonly sign: (image: NamedImage) => Promise<SignedImage>;
  readonly logger: Logger;
  /** Between a failure and the next try, milliseconds; twice as long each time, up to an hour. By default 5 seconds. */
  readonly retryMs?: number;
}

const RETRY_MS = 5_000;
const MOST_RETRY_MS = 60 * 60 * 1000;

/** The signatures that nobody has to ask for. */
export class PushSigner {
  readonly #options: PushSignerOptions;
  readonly #matches: (repository: string) => boolean;
  /** A tag that moves again before its turn is signed once, as it is then. */
  readonly #waiting = new Map<string, NamedImage>();
  readonly #bell = new Bell();
  readonly #stopping = new AbortController();
  #failures = 0;
  #working: Promise<void> | undefined;
  /** Since the start: images that got signatures, and tries that failed. */
  readonly figures = { signed: 0, failed: 0 };

  constructor(options: PushSignerOptions) {
    this.#options = options;
    this.#matches = options.globs.length === 0 ? () => false : picomatch([...options.globs]);
  }

  /** Images that wait for their signatures. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Looks through all images once: what was pushed when nobody signed, or just before a crash. */
  start(): void {
    if (this.#options.globs.length === 0) return;
    this.#collect().catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'not all images were looked at for signatures');
    });
  }

  /** A listener of the registry's events; keeps nobody waiting. */
  readonly note = (event: RegistryEvent): void => {
    if (event.action !== 'push' || event.kind !== 'manifest' || !this.#matches(event.repository)) return;
    this.#noteTags(event);
  };

  /** Begins nothing more, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#bell.ring();
    this.#waiting.clear();
    await this.#working;
  }

  #noteTags({ repository, tags }: ContentEvent): void {
    for (const tag of tags) this.#add(parseNamedImage(`${repository}:${tag}`));
  }

  async #collect(): Promise<void> {
    for await (const image of eachImage(this.#options.registry, [], this.#matches)) this.#add(image);
  }

  #add(image: NamedImage): void {
    if (this.#stopping.signal.aborted) return;
    this.#waiting.set(image.text, image);
    this.#bell.ring();
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    while (this.#waiting.size > 0 && !signal.aborted) {
      this.#bell.take();
      await this.#round();
      if (this.#waiting.size > 0) await this.#bell.wait(this.#pauseMs(), 0, signal);
    }
    // Between the last look and this line nobody else has run.
    this.#working = undefined;
  }

  /** Everything that waits now, each once; what fails waits for the next round. */
  async #round(): Promise<void> {
    let failed = false;
    for (const [key, image] of [...this.#waiting]) {
      if (this.#stopping.signal.aborted) return;
      this.#waiting.delete(key);
      if (await this.#sign(image)) continue;
      failed = true;
      if (!this.#stopping.signal.aborted && !this.#waiting.has(key)) this.#waiting.set(key, image);
    }
    this.#failures = failed ? this.#failures + 1 : 0;
  }

  async #sign(image: NamedImage): Promise<boolean> {
    const { sign, logger } = this.#options;
    try {
      const { action, manifests } = await sign(image);
      if (action !== 'good') {
        this.figures.signed += 1;
        logger.info({ image: image.text, action, manifests }, 'an image was signed');
      }
      return true;
    } catch (error) {
      if (isGone(error)) return true;
      this.figures.failed += 1;
      logger.warn({ image: image.text, err: error }, 'an image that was pushed cannot be signed');
      return false;
    }
  }

  #pauseMs(): number {
    const { retryMs = RETRY_MS } = this.#options;
    return this.#failures === 0 ? 0 : Math.min(retryMs * 2 ** (this.#failures - 1), MOST_RETRY_MS);
  }
}

/** Removed again, or moved, before its turn came. */
function isGone(error: unknown): boolean {
  return error instanceof DepotError && error.code === 'MANIFEST_UNKNOWN';
}
