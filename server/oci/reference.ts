/** Names of repositories and tags. OCI distribution specification, "Pulling manifests". */
import { DepotError } from '../errors.js';
import { type Digest, isDigest, parseDigest } from './digest.js';

declare const checked: unique symbol;

/** A checked repository name, such as `coreos/hyperkube`; its components are safe as names of folders. */
export type RepositoryName = string & { readonly [checked]: 'repository' };

/** A checked tag; safe as the name of a folder. */
export type Tag = string & { readonly [checked]: 'tag' };

/** How a manifest is asked for. */
export type Reference =
  | { readonly tag: Tag; readonly digest?: undefined }
  | { readonly digest: Digest; readonly tag?: undefined };

/** With a host in front the whole must stay below 256 characters; 255 is also the longest name of a folder. */
const MAX_NAME_LENGTH = 255;
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Whether a text is a repository name. */
export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text);
}

/** Whether a text is a tag. */
export function isTag(text: string): text is Tag {
  return TAG.test(text);
}

/**
 * Reads a repository name that a client sent.
 *
 * @throws DepotError `NAME_INVALID`
 */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text;
  throw new DepotError(
    'NAME_INVALID',
    'expected a name of at most 255 characters: lower-case letters and digits, . _ __ or - between them, / between parts',
    { name: text.slice(0, 300) },
  );
}

/**
 * Reads a tag that a client sent.
 *
 * @throws DepotError `TAG_INVALID`
 */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text;
  throw new DepotError(
    'TAG_INVALID',
    'expected a tag of 1 to 128 characters: letters, digits, _ . and -, not beginning with . or -',
    { tag: text.slice(0, 200) },
  );
}

/**
 * Reads the last part of a manifest's address: whatever has a colon is meant as a digest.
 *
 * @throws DepotError `DIGEST_INVALID`, `TAG_INVALID`
 */
export function parseReference(text: string): Reference {
  if (isDigest(text)) return { digest: text };
  return text.includes(':') ? { digest: parseDigest(text) } : { tag: parseTag(text) };
}
