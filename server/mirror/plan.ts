/** What a list comes to: which images, from where, under which names. */

import { inParallel } from '../assets/in-parallel.js';
import type { DepotError } from '../errors.js';
import { fileError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { RepositoryName, Tag } from '../oci/reference.js';
import { createdAt } from './created.js';
import type { Origin } from './origin.js';
import { type Rename, refuseCollisions } from './rename.js';
import { newestTags } from './tag-rule.js';
import { parseWanted, type Wanted } from './wanted.js';

/** One image that is to be copied. */
export interface PlannedImage {
  /** As a line of a list that asks for this very image. */
  readonly source: string;
  readonly origin: Origin;
  readonly tag: Tag | undefined;
  /** What it has to be; what the tag has, where nothing is said. */
  readonly digest: Digest | undefined;
  /** At the destination. */
  readonly repository: RepositoryName;
  /** For people: `quay.io/coreos/flannel:v1`. */
  readonly target: string;
}

/** A line that comes to nothing. */
export interface RefusedLine {
  readonly source: string;
  readonly error: DepotError;
}

/** Which tags count, of lines that leave a choice. */
export interface TagChoice {
  /** So many of each line, in the order of their versions. */
  readonly newest?: number | undefined;
  /** Only images that were made at this time or later; milliseconds since 1970. */
  readonly since?: number | undefined;
}

/** Opens the repository of a line. */
export type OpenOrigin = (wanted: Wanted) => Promise<Origin>;

/** All of a list. */
export interface Plan {
  readonly images: readonly PlannedImage[];
  readonly refused: readonly RefusedLine[];
  /** Repositories of which every line was understood: what they have beside it may be removed. */
  readonly complete: ReadonlySet<RepositoryName>;
}

/** Lines whose tags are asked for at once. */
const AT_ONCE = 6;

/**
 * Reads the lines, asks registries for the tags of those that leave a choice, and names everything.
 *
 * @throws DepotError `USAGE`: two sources would have one name; `INTERRUPTED`
 */
export async function planImages(
  lines: readonly string[],
  {
    open,
    rename,
    choice,
  }: { readonly open: OpenOrigin; readonly rename: Rename; readonly choice: TagChoice },
): Promise<Plan> {
  const found: PlannedImage[][] = [];
  const refused: RefusedLine[] = [];
  const complete = new Set<RepositoryName>();
  const incomplete = new Set<RepositoryName>();
  await inParallel(lines.entries(), AT_ONCE, async ([index, line]) => {
    let repository: RepositoryName | undefined;
    try {
      const wanted = parseWanted(line);
      repository = rename(wanted);
      found[index] = await imagesOf(wanted, repository, await open(wanted), choice);
      complete.add(repository);
    } catch (error) {
      refused.push({ source: line, error: fileError(error, line) });
      if (repository !== undefined) incomplete.add(repository);
    }
  });
  const images = eachOnce(found.flat());
  refuseCollisions(images);
  for (const repository of incomplete) complete.delete(repository);
  return { images, refused, complete };
}

async function imagesOf(
  wanted: Wanted,
  repository: RepositoryName,
  origin: Origin,
  choice: TagChoice,
): Promise<PlannedImage[]> {
  const { host, digest, tag, rule } = wanted;
  const imageOf = (name: Tag | undefined): PlannedImage => {
    const ending = `${name === undefined ? '' : `:${name}`}${digest === undefined ? '' : `@${digest}`}`;
    const target = name === undefined ? `${repository}@${digest}` : `${repository}:${name}`;
    return { source: `${host}/${wanted.repository}${ending}`, origin, tag: name, digest, repository, target };
  };
  if (rule === undefined) return [imageOf(tag)];
  const matching = (await origin.tags()).filter(rule);
  const { newest, since } = choice;
  // What is asked for each of them comes last.
  const sorted = newest === undefined ? matching : newestTags(matching, matching.length);
  const chosen: Tag[] = [];
  for (const each of sorted) {
    if (chosen.length === newest) break;
    if (since === undefined || (await createdAt(origin, each)) >= since) chosen.push(each);
  }
  return chosen.map(imageOf);
}

/** Two lines may come to the same image. */
function eachOnce(images: readonly PlannedImage[]): PlannedImage[] {
  return [...new Map(images.map((image) => [`${image.source} ${image.target}`, image])).values()];
}
