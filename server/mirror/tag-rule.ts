/** Which tags of a repository are wanted: by glob, by version, by regular expression, the newest of them. */
import picomatch from 'picomatch';
import semver from 'semver';
import { compareVersions, versionOf } from '../aci/version-order.js';
import { DepotError } from '../errors.js';
import type { Tag } from '../oci/reference.js';

/** Whether a tag is one of those that are wanted. */
export type TagRule = (tag: Tag) => boolean;

/** Lists of referrers and cosign's signatures: they come along with their images. */
const COMPANION = /^sha(?:256|512)-[0-9a-f]{64}/;
const EXPRESSION = /^~\/(.*)\/$/s;
const RANGE = /^[<>=^~]|\s-\s|\|\|/;
const GLOB = /[*?[\]{}!]/;

/**
 * Reads what stands in the place of a tag: `v1.2*` is a glob, `>=1.30 <1.32` a range of semantic versions, `~/^v1/` a
 * regular expression.
 *
 * @returns `undefined` if it is a single tag
 * @throws DepotError `TAG_INVALID`: a range or an expression that cannot be read
 */
export function parseTagRule(text: string): TagRule | undefined {
  const [, expression] = EXPRESSION.exec(text) ?? [];
  if (expression !== undefined) return fromExpression(expression);
  if (RANGE.test(text)) return fromRange(text);
  if (!GLOB.test(text)) return undefined;
  const matches = picomatch(text, { dot: true });
  return (tag) => !isCompanion(tag) && matches(tag);
}

/** Whether a tag holds what belongs to another image: a list of referrers, a signature. */
export function isCompanion(tag: string): boolean {
  return COMPANION.test(tag);
}

/** The last of some tags in the order of their versions, newest first. */
export function newestTags(tags: readonly Tag[], count: number): Tag[] {
  return [...tags].sort((one, other) => compareVersions(other, one)).slice(0, count);
}

function fromRange(text: string): TagRule {
  if (semver.validRange(text, { loose: true }) === null) {
    throw new DepotError('TAG_INVALID', `${text} is no range of versions, such as >=1.30 <1.32`, {
      tag: text,
    });
  }
  return (tag) => {
    const version = versionOf(tag);
    return version !== null && semver.satisfies(version, text, { loose: true });
  };
}

function fromExpression(source: string): TagRule {
  let expression: RegExp;
  try {
    expression = new RegExp(source);
  } catch (cause) {
    throw new DepotError('TAG_INVALID', `${source} is no regular expression`, { tag: source }, { cause });
  }
  return (tag) => !isCompanion(tag) && expression.test(tag);
}
