/** What a line of a list asks for: an image by its tag or digest, or some tags of a repository. */
import { HUB_REGISTRY, parseImageReference } from '../convert/reference.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../oci/reference.js';
import { HUB } from '../registry/upstream/names.js';
import { parseTagRule, type TagRule } from './tag-rule.js';

/** A repository in its registry. */
export interface SourceName {
  /** Such as `quay.io`; `docker.io` for Docker's hub. */
  readonly host: string;
  /** As its registry calls it; on the hub with `library/`. */
  readonly repository: RepositoryName;
}

/** A line that was read. */
export interface Wanted extends SourceName {
  /** The line itself. */
  readonly text: string;
  /** What was said of the tag; without any of it, `latest`. */
  readonly tag: Tag | undefined;
  /** The manifest that it has to be. */
  readonly digest: Digest | undefined;
  /** In place of a tag. */
  readonly rule: TagRule | undefined;
}

/**
 * Reads `[host/]repository[:tag][@digest]`, where a rule for tags may stand in the place of the tag. With tag and digest
 * the digest is fetched, and the tag is set to it.
 *
 * @throws DepotError `NAME_INVALID`, `TAG_INVALID`, `DIGEST_INVALID`
 */
export function parseWanted(text: string): Wanted {
  const { name, tagText, digestText } = split(text.replace(/^docker:\/\//, ''));
  const asked = parseImageReference(name);
  const host = asked.host === HUB_REGISTRY ? HUB : asked.host;
  const place = { text, host, repository: parseRepositoryName(asked.repository) };
  const digest = digestText === undefined ? undefined : parseDigest(digestText);
  if (tagText === undefined) {
    const tag = digest === undefined ? parseTag('latest') : undefined;
    return { ...place, tag, digest, rule: undefined };
  }
  const rule = digest === undefined ? parseTagRule(tagText) : undefined;
  return { ...place, tag: rule === undefined ? parseTag(tagText) : undefined, digest, rule };
}

interface Pieces {
  readonly name: string;
  readonly tagText: string | undefined;
  readonly digestText: string | undefined;
}

function split(text: string): Pieces {
  const expression = text.indexOf(':~/');
  if (expression !== -1) return { ...cut(text, expression), digestText: undefined };
  const at = text.indexOf('@');
  const named = at === -1 ? text : text.slice(0, at);
  const digestText = at === -1 ? undefined : text.slice(at + 1);
  const colon = named.lastIndexOf(':');
  if (colon <= named.lastIndexOf('/')) return { name: named, tagText: undefined, digestText };
  return { ...cut(named, colon), digestText };
}

function cut(text: string, colon: number): { readonly name: string; readonly tagText: string } {
  return { name: text.slice(0, colon), tagText: text.slice(colon + 1) };
}
