/** The images that a command is about. */
import { type Digest, parseDigest } from '../oci/digest.js';
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../oci/reference.js';
import type { Registry } from '../registry/open-registry.js';
import type { ImageTarget } from './identities.js';

/** An image of the registry. */
export interface NamedImage {
  /** As it is told: `team/app:v1`. */
  readonly text: string;
  readonly repository: RepositoryName;
  readonly target: ImageTarget;
}

/**
 * Reads `repository:tag` or `repository@digest`, without any host: it is about this registry.
 *
 * @throws DepotError `NAME_INVALID`, `TAG_INVALID`, `DIGEST_INVALID`
 */
export function parseNamedImage(text: string): NamedImage {
  const at = text.indexOf('@');
  if (at !== -1) return named(text.slice(0, at), { digest: parseDigest(text.slice(at + 1)) });
  const colon = text.lastIndexOf(':');
  const hasTag = colon > text.lastIndexOf('/');
  return hasTag
    ? named(text.slice(0, colon), { tag: parseTag(text.slice(colon + 1)) })
    : named(text, { tag: parseTag('latest') });
}

function named(name: string, target: { tag: Tag } | { digest: Digest }): NamedImage {
  const repository = parseRepositoryName(name);
  const text = 'tag' in target ? `${repository}:${target.tag}` : `${repository}@${target.digest}`;
  return { text, repository, target };
}

/**
 * Yields the images that were named, or else every tag of every repository that will do.
 *
 * @param isWanted - which repositories; by default all
 * @throws DepotError `ACCESS_DENIED`, `BUSY`, `IO_FAILED`
 */
export async function* eachImage(
  { catalog, tags }: Pick<Registry, 'catalog' | 'tags'>,
  images: readonly NamedImage[],
  isWanted: (repository: RepositoryName) => boolean = () => true,
): AsyncGenerator<NamedImage> {
  if (images.length > 0) yield* images;
  else {
    for (const repository of (await catalog.list()).filter(isWanted)) {
      for (const tag of (await tags.list(repository)) ?? []) yield named(repository, { tag });
    }
  }
}
