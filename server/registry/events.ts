/** What happens in a registry, told to whoever wants to know: figures, notifications. */
import type { Digest } from '../oci/digest.js';
import type { RepositoryName, Tag } from '../oci/reference.js';

/** Who asked for something, and how. */
export interface Cause {
  /** The request's id, as in the log. */
  readonly id: string;
  /** The client's address; empty where it has none (a Unix socket). */
  readonly address: string;
  /** Scheme and host by which the client reached the server, such as `http://depot.lan:5000`. */
  readonly origin: string;
  readonly method: string;
  readonly userAgent: string;
  /** The user's name, where the request carried one that was right. */
  readonly user?: string | undefined;
}

/** Content came, went, or was fetched. */
export interface ContentEvent {
  readonly action: 'push' | 'pull' | 'mount' | 'delete';
  /** `tag`: nothing but the name was deleted. */
  readonly kind: 'blob' | 'manifest' | 'tag';
  readonly repository: RepositoryName;
  /** Absent where a tag alone was deleted. */
  readonly digest?: Digest | undefined;
  readonly mediaType?: string | undefined;
  /** Bytes: of the content, or of a pull, which may have been of a part. */
  readonly size?: number | undefined;
  /** The tags that were set, asked for, or deleted. */
  readonly tags: readonly Tag[];
  /** Where a blob was mounted from, if the client said so. */
  readonly from?: RepositoryName | undefined;
  /** Reads who asked, which most listeners do not want to know; to be called when the event is told, not later. */
  readonly cause: () => Cause;
}

/** Anything that happens. */
export type RegistryEvent =
  | ContentEvent
  /** A tag was fetched from an upstream, or leads to another manifest there now. */
  | { readonly action: 'arrive'; readonly repository: RepositoryName; readonly tag: Tag }
  /** Content did not match its digest and was put aside. */
  | { readonly action: 'damage'; readonly digest: Digest }
  /** A push did not succeed. */
  | { readonly action: 'refuse'; readonly reason: string };

/** Told of each event, in their order; must not throw, and holds up whoever waits for the event to be noted. */
export type Listener = (event: RegistryEvent) => void | Promise<void>;

/** The events of one registry. */
export class RegistryEvents {
  readonly #listeners: Listener[] = [];

  /** Tells a listener of all events from now on. */
  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Tells all listeners; resolves when each of them has noted the event. */
  emit(event: RegistryEvent): Promise<void> {
    const pending: Promise<void>[] = [];
    for (const listener of this.#listeners) {
      const noting = listener(event);
      if (noting instanceof Promise) pending.push(noting);
    }
    return pending.length === 0 ? NOTED : Promise.all(pending).then(() => undefined);
  }
}

/** Most events keep nobody waiting. */
const NOTED = Promise.resolve();
