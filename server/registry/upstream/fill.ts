/** One blob that is being fetched, once, for all who want it. */
import { createHash } from 'node:crypto';
import type { FreeSpace } from '../../disk/free-space.js';
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

/** What is to come. */
interface Expected {
  readonly digest: Digest;
  /** Its name, for messages. */
  readonly upstream: string;
  /** Where there must be room for it. */
  readonly space: FreeSpace;
}

/**
 * Lets a blob flow into a file, and those who read it have it, all but its end.
 *
 * @param opened - told when the length is known
 * @returns when the bytes are known to be right, and all of them may be read
 * @throws DepotError as `BlobTransfer.chunks`; `DISK_FULL`; `UPSTREAM_FAILED`: the bytes are others than the digest's
 */
export async function pour(
  transfer: BlobTransfer,
  file: GrowingFile,
  { digest, upstream, space }: Expected,
  opened: (blob: ColdBlob) => void,
): Promise<void> {
  const hash = createHash(algorithmOf(digest));
  const open = (size: number) => opened({ size, read: (start, end) => file.read(start, end) });
  const start = async (): Promise<void> => {
    await space.expect(transfer.size ?? 0);
    if (transfer.size !== undefined && transfer.size > 0) open(transfer.size);
  };
  for await (const chunk of transfer.chunks(start)) {
    await file.append(chunk);
    hash.update(chunk);
    file.release(transfer.size === undefined ? 0 : transfer.size - HELD_BACK_BYTES);
  }
  await file.flush();
  if (hash.digest('hex') !== hexOf(digest)) {
    transfer.endpoint?.distrust('sent wrong bytes');
    throw upstreamFailed(upstream, 'sent other bytes than were asked for');
  }
  file.complete();
  open(transfer.received);
}
