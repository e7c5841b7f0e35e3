/** The bytes of one blob on their way from an upstream, also when the way breaks in the middle. */
import { DepotError } from '../../errors.js';
import type { Digest } from '../../oci/digest.js';
import type { Endpoint } from './endpoint.js';
import type { Source } from './source.js';
import { Transfer, type TransferOrder } from './transfer.js';

/** What is fetched from where. */
export interface BlobOrder extends Omit<TransferOrder, 'upstream' | 'ask'> {
  readonly source: Source;
  /** Repository, as the upstream knows it. */
  readonly name: string;
  readonly digest: Digest;
  /** How often each part may be asked for; three times where nobody says. */
  readonly tries?: number | undefined;
}

/** One blob, in the order of its bytes. */
export class BlobTransfer {
  readonly #transfer: Transfer;
  #endpoint: Endpoint | undefined;

  constructor(order: BlobOrder) {
    const { source, name, digest, tries = 3, signal } = order;
    const ask = async (offset: number) => {
      const answer = await source.ask({
        method: 'GET',
        name,
        what: `blobs/${digest}`,
        headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
        verified: true,
        tries,
        signal,
      });
      if (answer === undefined) {
        throw new DepotError('BLOB_UNKNOWN', `${source.name} has no such blob`, { digest });
      }
      this.#endpoint = answer.endpoint;
      return answer.reply;
    };
    this.#transfer = new Transfer({ ...order, upstream: source.name, ask });
  }

  /** Bytes in all, as far as the upstream has told. */
  get size(): number | undefined {
    return this.#transfer.size;
  }

  /** Bytes so far. */
  get received(): number {
    return this.#transfer.received;
  }

  /** Who sent the last of them. */
  get endpoint(): Endpoint | undefined {
    return this.#endpoint;
  }

  /**
   * The bytes as they come; {@link size} is known, if ever, when `onStart` is called.
   *
   * @throws DepotError `BLOB_UNKNOWN`, `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`; whatever `onStart` throws
   */
  chunks(onStart: () => Promise<void>): AsyncGenerator<Uint8Array> {
    return this.#transfer.chunks(onStart);
  }
}
