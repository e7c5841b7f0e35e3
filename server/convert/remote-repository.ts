/** Images in other registries: fetched as the pull-through does, each layer once, kept out of sight until the end. */
import type { FileHandle } from 'node:fs/promises';
import { readRange } from '../disk/read-range.js';
import { createScratchFile } from '../disk/scratch-file.js';
import { fileError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { parseRepositoryName } from '../oci/reference.js';
import { BlobTransfer } from '../registry/upstream/blob-transfer.js';
import { fetchManifest } from '../registry/upstream/fetch-manifest.js';
import { remoteName } from '../registry/upstream/names.js';
import type { Source } from '../registry/upstream/source.js';
import type { Timing } from '../registry/upstream/timing.js';
import type { ImageRepository } from './registry-image.js';

/** Where a repository is, and what is needed to fetch from it. */
export interface RemotePlace {
  readonly source: Source;
  /** As its registry calls it. */
  readonly repository: string;
  readonly timing: Timing;
  /** A folder in whose file system layers are kept, without a name. */
  readonly scratch: string;
}

const TRIES = 3;

/**
 * A repository of another registry; closing it closes the source, too.
 *
 * @throws DepotError `NAME_INVALID`: host and repository together are too long, or no name
 */
export function remoteRepository({ source, repository, timing, scratch }: RemotePlace): ImageRepository {
  const name = parseRepositoryName(`${source.folder}/${repository}`);
  const kept = new Map<Digest, KeptBlob>();
  const fetch = (digest: Digest, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> =>
    new BlobTransfer({
      source,
      name: remoteName(source.name, name),
      digest,
      backoff: timing.backoff,
      signal: signal ?? new AbortController().signal,
      onBytes: () => undefined,
    }).chunks(async () => undefined);
  return {
    name: `${source.name}/${repository}`,
    manifest: (reference) =>
      fetchManifest(source, name, reference, { tries: TRIES, withinMs: timing.manifest }),
    blob(digest, signal) {
      const blob = kept.get(digest) ?? new KeptBlob(scratch, (ended) => fetch(digest, ended));
      kept.set(digest, blob);
      return blob.open(signal);
    },
    async close() {
      await Promise.all([...kept.values()].map((blob) => blob.close()));
      await source.close();
    },
  };
}

/** Bytes that are fetched when they are first read to their end, and read from the disk afterwards. */
class KeptBlob {
  readonly #scratch: string;
  readonly #fetch: (signal: AbortSignal | undefined) => AsyncIterable<Uint8Array>;
  #file: FileHandle | undefined;
  #size = 0;

  constructor(scratch: string, fetch: (signal: AbortSignal | undefined) => AsyncIterable<Uint8Array>) {
    this.#scratch = scratch;
    this.#fetch = fetch;
  }

  open(signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
    return this.#file === undefined ? this.#fetched(signal) : readRange(this.#file, 0, this.#size);
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async *#fetched(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    const file = await createScratchFile(this.#scratch);
    let size = 0;
    try {
      for await (const chunk of this.#fetch(signal)) {
        await file.writeFile(chunk);
        size += chunk.length;
        yield chunk;
      }
      this.#size = size;
      this.#file = file;
    } catch (error) {
      throw fileError(error, this.#scratch);
    } finally {
      if (this.#file !== file) await file.close();
    }
  }
}
