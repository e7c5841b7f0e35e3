/** Which manifests of an image need a signature: clients ask for that of the platform they choose, not for the index's. */
import type { Digest } from '../oci/digest.js';
import type { RepositoryName } from '../oci/reference.js';
import type { Registry } from '../registry/open-registry.js';
import type { ImageTarget } from './identities.js';

/**
 * The manifest of an image, and all that it lists, also in an index in an index; listed ones need not be here.
 *
 * @returns the image's own first; `undefined` if there is no such image
 * @throws DepotError `ACCESS_DENIED`, `BUSY`, `IO_FAILED`
 */
export async function manifestsOf(
  { manifests }: Pick<Registry, 'manifests'>,
  repository: RepositoryName,
  target: ImageTarget,
): Promise<Digest[] | undefined> {
  const top = await manifests.find(repository, target);
  if (top === undefined) return undefined;
  const digests = new Set([top.digest]);
  for (const digest of digests) {
    const found = digest === top.digest ? top : await manifests.find(repository, { digest });
    for (const child of found?.manifest.manifests ?? []) digests.add(child.digest);
  }
  return [...digests];
}
