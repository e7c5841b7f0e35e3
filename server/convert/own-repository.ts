/** Images in the depot's own registry: pushed, mirrored, or pulled through. */
import { realpath } from 'node:fs/promises';
import { openRegularFile } from '../disk/safe-path.js';
import { DepotError, fileError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { isRepositoryName, type RepositoryName } from '../oci/reference.js';
import type { Registry } from '../registry/open-registry.js';
import { folderName, HUB } from '../registry/upstream/names.js';
import type { ParsedReference } from './reference.js';
import type { ImageRepository } from './registry-image.js';

const READ_BYTES = 256 * 1024;

/** A repository that has what was asked for. */
export interface OwnRepository extends ImageRepository {
  /** Whether it is called by its plain name, so that no host is known. */
  readonly isPlain: boolean;
}

/**
 * Finds an image in the registry: below the name of its host, as pull-through keeps it, and under its plain name, unless
 * that host is an upstream, of which the plain name says nothing.
 *
 * @param upstreams - names of upstreams
 * @returns `undefined` if it is in none of them
 */
export async function findOwn(
  registry: Registry,
  asked: ParsedReference,
  upstreams: readonly string[],
): Promise<OwnRepository | undefined> {
  for (const { name, isPlain } of placesOf(asked, upstreams)) {
    if (!isRepositoryName(name)) continue;
    const found = await registry.manifests.find(name, asked.target);
    if (found !== undefined) return ownRepository(registry, name, isPlain);
  }
  return undefined;
}

interface OwnPlace {
  readonly name: string;
  readonly isPlain: boolean;
}

function placesOf(
  { typedHost, path, repository }: ParsedReference,
  upstreams: readonly string[],
): OwnPlace[] {
  if (typedHost === undefined) {
    const onHub = [repository, path].map((name) => ({ name: `${HUB}/${name}`, isPlain: false }));
    return [{ name: path, isPlain: true }, ...onHub];
  }
  const within = { name: `${folderName(typedHost)}/${repository}`, isPlain: false };
  return upstreams.includes(typedHost) ? [within] : [within, { name: path, isPlain: false }];
}

function ownRepository(registry: Registry, name: RepositoryName, isPlain: boolean): OwnRepository {
  return {
    name,
    isPlain,
    async manifest(reference) {
      const found = await registry.manifests.find(name, reference);
      return found && { digest: found.digest, bytes: found.bytes, contentType: undefined };
    },
    blob: (digest) => readOwn(registry, name, digest),
    close: async () => undefined,
  };
}

/**
 * Reads a blob of a repository, unchecked.
 *
 * @throws DepotError `BLOB_UNKNOWN`, `IO_FAILED`
 */
export async function* readOwn(
  registry: Registry,
  name: RepositoryName,
  digest: Digest,
): AsyncGenerator<Uint8Array> {
  const found = await registry.blobs.find(name, digest);
  if (found === undefined)
    throw new DepotError('BLOB_UNKNOWN', `${name} has not the blob ${digest}`, { digest });
  try {
    const { handle } = await openRegularFile(await realpath(found.path));
    yield* handle.createReadStream({ highWaterMark: READ_BYTES });
  } catch (error) {
    throw fileError(error, found.path);
  }
}
