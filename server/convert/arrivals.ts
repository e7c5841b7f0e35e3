/** Images that are converted as they arrive, so that the first client does not wait: one at a time, in the background. */
import picomatch from 'picomatch';
import type { Logger } from '../log.js';
import type { RepositoryName, Tag } from '../oci/reference.js';
import type { RegistryEvent } from '../registry/events.js';
import { DEFAULT_PLATFORM } from './platform.js';
import type { RegistryAcis } from './registry-acis.js';
import { imageCalled, isVersionTag } from './registry-names.js';

/** What is converted, and with what. */
export interface ArrivalsOptions {
  readonly acis: RegistryAcis;
  /** Globs of repositories, such as `coreos/*`. */
  readonly globs: readonly string[];
  /** Put before names that have no host. */
  readonly host: string | undefined;
  readonly logger: Logger;
}

interface Arrival {
  readonly repository: RepositoryName;
  readonly tag: Tag;
}

/** The conversions that nobody asked for yet. */
export class Arrivals {
  readonly #options: ArrivalsOptions;
  readonly #matches: (repository: string) => boolean;
  /** A tag that moves again before its turn is converted once, as it is then. */
  readonly #waiting = new Map<string, Arrival>();
  #working: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: ArrivalsOptions) {
    this.#options = options;
    this.#matches = options.globs.length === 0 ? () => false : picomatch([...options.globs]);
  }

  /** A listener of the registry's events; keeps nobody waiting. */
  readonly note = (event: RegistryEvent): void => {
    const [repository, tags] = tagged(event);
    if (repository === undefined || !this.#matches(repository)) return;
    for (const tag of tags.filter(isVersionTag))
      this.#waiting.set(`${repository}:${tag}`, { repository, tag });
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  };

  /** Begins nothing more. What is under way is the images' own to break off. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting.clear();
  }

  async #work(): Promise<void> {
    for (const [key, arrival] of this.#waiting) {
      this.#waiting.delete(key);
      await this.#convert(arrival);
      if (this.#isStopped) return;
    }
  }

  async #convert({ repository, tag }: Arrival): Promise<void> {
    const { acis, host, logger } = this.#options;
    const reference = imageCalled(repository, tag, host);
    const image = await acis
      .find({ repository, target: { tag }, platform: DEFAULT_PLATFORM, reference })
      .catch((error: unknown) => {
        logger.warn({ repository, tag, err: error }, 'an image that arrived cannot be converted');
        return undefined;
      });
    // What goes wrong from here on is logged by those who make it.
    if (image !== undefined) await acis.make(image).catch(() => undefined);
  }
}

/** The tags that an event has set. */
function tagged(event: RegistryEvent): readonly [RepositoryName | undefined, readonly Tag[]] {
  if (event.action === 'arrive') return [event.repository, [event.tag]];
  if (event.action !== 'push' || event.kind !== 'manifest') return [undefined, []];
  return [event.repository, event.tags];
}
