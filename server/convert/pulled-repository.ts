/** Repositories of the depot's own registry, as its clients see them: what an upstream has is fetched first. */
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { RepositoryName } from '../oci/reference.js';
import type { Registry } from '../registry/open-registry.js';
import type { PullThrough } from '../registry/upstream/pull-through.js';
import { readOwn } from './own-repository.js';
import type { ImageRepository } from './registry-image.js';

/** Where images come from. */
export interface RegistryParts {
  readonly registry: Registry;
  readonly pullThrough: PullThrough;
}

/**
 * A repository, here or behind an upstream; there is nothing to close.
 *
 * Its methods throw `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`, `DISK_FULL`, `IO_FAILED`.
 */
export function pulledRepository(parts: RegistryParts, name: RepositoryName): ImageRepository {
  return {
    name,
    async manifest(reference) {
      const found = await parts.pullThrough.manifest(name, reference);
      return found && { ...found.stored, contentType: undefined };
    },
    blob: (digest) => readPulled(parts, name, digest),
    close: async () => undefined,
  };
}

async function* readPulled(
  { registry, pullThrough }: RegistryParts,
  name: RepositoryName,
  digest: Digest,
): AsyncGenerator<Uint8Array> {
  if ((await registry.blobs.find(name, digest)) === undefined) {
    await pullThrough.refetch(name, digest);
    const isHere = (await registry.blobs.find(name, digest)) !== undefined;
    if (!isHere && pullThrough.hasUpstream(name)) {
      throw new DepotError('UPSTREAM_FAILED', 'a blob of the image could not be fetched', { digest });
    }
  }
  yield* readOwn(registry, name, digest);
}
