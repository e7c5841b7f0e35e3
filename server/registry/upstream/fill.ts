/** One blob that is being fetched, once, for all who want it. */
import { createHash } from 'node:crypto';
import { algorithmOf, type Digest, hexOf } from '../../oci/digest.js';
import type { RepositoryName } from '../../oci/reference.js';
import type { BlobTransfer } from './blob-transfer.js';
import { upstreamFailed } from './failures.js';
import type { GrowingFile } from './growing-file.js';

/** Nobody gets the last bytes of a blob before all of it is known to be right. */
const HELD_BACK_BYTES = 64 * 1024;

/** A blob that can be read, although not all of it has come. */
export interface ColdBlob {
  /** Bytes. */
  readonly size: number;
  /**
   * Its bytes as they come.
   *
   * @param end - offset behind the last one
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`, `DISK_FULL`: the rest will not come
   */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

/** A fetch that is under way. */
export interface Fill {
  /** Whose blob it will be: of all for whom the upstream has it. */
  readonly repositories: Set<RepositoryName>;
  /** When its length is known; fails if it does not come so far. */
  readonly opened: Promise<ColdBlob>;
  /** When it is a blob like any other. */
  readonly done: Promise<void>;
}

/**
 * Lets a blob flow into a file, and those who read it have it, all but its end.
 *
 * @param opened - told when the length is known
 * @returns when the bytes are known to be right, and all of them may be read
 * @throws DepotError as `BlobTransfer.chunks`; `UPSTREAM_FAILED`: the bytes are others than the digest's
 */
export async function pour(
  transfer: BlobTransfer,
  file: GrowingFile,
  { digest, upstream }: { readonly digest: Digest; readonly upstream: string },
  opened: (blob: ColdBlob) => void,
): Promise<void> {
  const hash = createHash(algorithmOf(digest));
  const open = (size: number) => opened({ size, read: (start, end) => file.read(start, end) });
  const start = () => transfer.size !== undefined && transfer.size > 0 && open(transfer.size);
  for await (const chunk of transfer.chunks(start)) {
    await file.append(chunk);
    hash.update(chunk);
    file.release(transfer.size === undefined ? 0 : transfer.size - HELD_BACK_BYTES);
  }
  if (hash.digest('hex') !== hexOf(digest)) {
    transfer.endpoint?.distrust('sent wrong bytes');
    throw upstreamFailed(upstream, 'sent other bytes than were asked for');
  }
  file.complete();
  open(transfer.received);
}
