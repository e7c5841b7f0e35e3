/** What a scrub finds to be wrong. */
import type { RepositoryName } from '../../oci/reference.js';

/**
 * - `damaged`: bytes that do not match their digest
 * - `missing`: content that a link or a manifest needs and that is not here
 * - `unreadable`: a manifest of a kind that is not kept, such as Docker's schema 1; nobody can pull it from here
 * - `unlinked`: content that a manifest needs and that is here, but is not linked in its repository
 * - `broken-link`: a link file that holds no digest, as a crash of the reference leaves it
 * - `broken-tag`: a tag that leads to no manifest
 * - `broken-folder`: a repository without one of the folders by which the reference knows it
 */
export type FindingKind =
  | 'damaged'
  | 'missing'
  | 'unreadable'
  | 'unlinked'
  | 'broken-link'
  | 'broken-tag'
  | 'broken-folder';

/** One thing that is wrong. */
export interface Finding {
  readonly kind: FindingKind;
  /** Whose; content by itself is nobody's. */
  readonly repository?: RepositoryName;
  /** A digest, a tag, or the name of a folder. */
  readonly name: string;
  /** Whether it is right now, or at least can do no harm any more. */
  readonly repaired: boolean;
}
