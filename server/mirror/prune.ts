/** Tags at the destination that a list no longer names. */
import type { RepositoryName, Tag } from '../oci/reference.js';
import type { Destination } from './destination.js';
import type { Plan } from './plan.js';
import { isCompanion } from './tag-rule.js';

/** A tag that is in nobody's list. */
export interface LeftTag {
  readonly repository: RepositoryName;
  readonly tag: Tag;
}

/**
 * Finds them in the repositories that the list leads to, and in no others: those are somebody else's. A repository of which
 * a line could not be read or asked for is left alone.
 *
 * @throws whatever the destination throws
 */
export async function leftTags(plan: Plan, destination: Destination): Promise<LeftTag[]> {
  const named = new Set(plan.images.map(({ target }) => target));
  const left: LeftTag[] = [];
  for (const repository of [...plan.complete].sort()) {
    for (const tag of await destination.tags(repository)) {
      if (!isCompanion(tag) && !named.has(`${repository}:${tag}`)) left.push({ repository, tag });
    }
  }
  return left;
}
