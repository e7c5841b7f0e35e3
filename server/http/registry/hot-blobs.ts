/**
 * Blobs that are asked for often, opened without asking the links again what is known already: the link and the file are
 * looked at for each answer, and a file whose check is older than a day is left to the slow way.
 */
import type { IncomingMessage } from 'node:http';
import { type Digest, KnownFiles, type Registry, type RepositoryName } from '../../index.js';
import { type DescriptorFile, openNow } from '../descriptor-file.js';

/** A blob that is open. Whoever has it closes it. */
export interface OpenBlob {
  readonly file: DescriptorFile;
  /** Bytes. */
  readonly size: number;
}

/** A bounded memory of where blobs are. */
export interface HotBlobs {
  /**
   * Opens a blob that is known, for a plain GET of all or a part. Synchronous. Whoever calls has made sure that the client
   * may read the repository.
   *
   * @returns `undefined` when someone else must find it
   */
  open(req: IncomingMessage, repository: RepositoryName, digest: Digest): OpenBlob | undefined;
  /** Learns where a blob is that was just found, in its own time. */
  learn(repository: RepositoryName, digest: Digest): void;
}

/** Some 4,000 blobs. */
const MEMORY_BYTES = 8 * 1024 * 1024;
/** What an entry costs beside its files, roughly. */
const ENTRY_BYTES = 512;

/** Makes an empty memory. */
export function createHotBlobs({ blobs, content }: Registry): HotBlobs {
  const known = new KnownFiles<{ readonly path: string; readonly digest: Digest }>(MEMORY_BYTES);
  return {
    open(req, repository, digest) {
      if (!mayBeOpenedNow(req)) return undefined;
      const place = known.find(keyOf(repository, digest));
      const open = place && openIfThere(place.path);
      if (place === undefined || open === undefined) return undefined;
      const { file, stats } = open;
      if (content.isChecked(place.digest, stats)) return { file, size: stats.size };
      file.close().catch(() => undefined);
      return undefined;
    },
    learn(repository, asked) {
      known.learn(keyOf(repository, asked), async (watch) => {
        const found = await blobs.find(repository, asked, watch);
        return found && { value: { path: found.path, digest: found.digest }, bytes: ENTRY_BYTES };
      });
    },
  };
}

/**
 * A query may ask for another registry's blob. Who asks by HEAD is about to leave something out of a push, and who knows a
 * version of it may need no bytes: both are for the slow way.
 */
function mayBeOpenedNow({ method, url = '', headers }: IncomingMessage): boolean {
  return method === 'GET' && !url.includes('?') && headers['if-none-match'] === undefined;
}

function openIfThere(path: string): ReturnType<typeof openNow> | undefined {
  try {
    return openNow(path);
  } catch {
    // It went a moment ago: the slow way says what that means.
    return undefined;
  }
}

function keyOf(repository: RepositoryName, digest: Digest): string {
  return `${repository}@${digest}`;
}
