/** Globs that choose images and files. */
import picomatch from 'picomatch';
import { type Digest, isDigest } from '../oci/digest.js';
import type { RepositoryName, Tag } from '../oci/reference.js';
import { signedRoot } from './paths.js';

/** Says whether a tag is wanted; without one, whether all of a repository is. */
export type WantsImage = (repository: RepositoryName, tag?: Tag) => boolean;

/** `coreos/*` chooses repositories with all they have, `coreos/etcd:v3*` tags of some. */
export function imageGlobs(globs: readonly string[]): WantsImage {
  const patterns = globs.map((glob) => {
    const colon = glob.lastIndexOf(':');
    if (colon <= glob.lastIndexOf('/')) return { inRepository: picomatch(glob), isTag: undefined };
    return { inRepository: picomatch(glob.slice(0, colon)), isTag: picomatch(glob.slice(colon + 1)) };
  });
  return (repository, tag) =>
    patterns.some(
      ({ inRepository, isTag }) =>
        inRepository(repository) && (isTag === undefined || (tag !== undefined && isTag(tag))),
    );
}

/** Chooses files by their path below the assets folder; the signatures of a file come with it. */
export function fileGlobs(globs: readonly string[]): (name: string) => boolean {
  const matches = globs.map((glob) => picomatch(glob));
  return (name) => {
    const root = signedRoot(name);
    return matches.some((isMatch) => isMatch(name) || isMatch(root));
  };
}

/** What a tag speaks of, as cosign's `sha256-<hex>.sig` and the fallback tag of referrers do. */
export function subjectOfTag(tag: Tag): Digest | undefined {
  const [, algorithm, hex] = /^(sha256|sha512)-([0-9a-f]+)(?:\.[a-z]+)?$/.exec(tag) ?? [];
  const digest = `${algorithm}:${hex}`;
  return isDigest(digest) ? digest : undefined;
}
