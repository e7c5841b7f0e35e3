/** Tags that are set once. */
import picomatch from 'picomatch';
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { RepositoryName, Tag } from '../oci/reference.js';

/** Says no to a change that a tag may not have; `to` is `undefined` where it would be removed. */
export type RefuseChange = (
  repository: RepositoryName,
  tag: Tag,
  from: Digest | undefined,
  to: Digest | undefined,
) => void;

/**
 * Prepares globs: `v*` is for tags of all repositories, `prod/**:release-*` for those of some. What throws is
 * `ACCESS_DENIED`, which is what clients show with the sentence and do not try again.
 */
export function immutableTags(globs: readonly string[]): RefuseChange {
  const patterns = globs.map((glob) => {
    const colon = glob.lastIndexOf(':');
    const inRepository = colon === -1 ? () => true : picomatch(glob.slice(0, colon));
    return { inRepository, isTag: picomatch(glob.slice(colon + 1)) };
  });
  return (repository, tag, from, to) => {
    if (from === undefined || from === to) return;
    if (!patterns.some(({ inRepository, isTag }) => inRepository(repository) && isTag(tag))) return;
    const message = `the tag ${tag} is set once: it can be neither moved nor removed, see registry.immutableTags`;
    throw new DepotError('ACCESS_DENIED', message, { tag });
  };
}
