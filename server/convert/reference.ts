/** References of images as people type them. The rules of Docker's command line, which docker2aci shares. */
import { basename, resolve } from 'node:path';
import { DepotError } from '../errors.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { isTag, parseRepositoryName, parseTag, type Tag } from '../oci/reference.js';
import type { ImageReference } from './source.js';

/** What Docker Hub is called by those who ask it for images. */
export const HUB_REGISTRY = 'registry-1.docker.io';
const HUB_NAMES = ['docker.io', 'index.docker.io', HUB_REGISTRY];

const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/;

/** A reference that was read. */
export interface ParsedReference extends ImageReference {
  readonly host: string;
  /** Which of the two is asked for: a digest wins over a tag, which is then forgotten. */
  readonly target: { readonly digest: Digest } | { readonly tag: Tag };
  /** The host as it was typed; `undefined` if it was not. */
  readonly typedHost: string | undefined;
  /** What was typed between the host and the tag. */
  readonly path: string;
}

/**
 * Reads `[host[:port]/]repository[:tag][@digest]`. The first part is a host only with a dot or a colon in it, or if it
 * is `localhost`; without a host it is Docker Hub, where a single part lies below `library/`.
 *
 * @throws DepotError `NAME_INVALID`, `TAG_INVALID`, `DIGEST_INVALID`
 */
export function parseImageReference(text: string): ParsedReference {
  const at = text.indexOf('@');
  const named = at === -1 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const { typedHost, path } = splitHost(hasTag ? named.slice(0, colon) : named);
  const host = typedHost ?? HUB_REGISTRY;
  if (!HOST.test(host)) {
    throw new DepotError('NAME_INVALID', 'expected a host with an optional port before the first slash', {
      host,
    });
  }
  if (/^[0-9a-f]{64}$/.test(path)) {
    throw new DepotError('NAME_INVALID', 'expected the name of a repository, got the ID of an image', {
      name: text,
    });
  }
  const isHub = HUB_NAMES.includes(host);
  const repository = parseRepositoryName(isHub && !path.includes('/') ? `library/${path}` : path);
  const place = { host: isHub ? HUB_REGISTRY : host, repository, typed: text, typedHost, path };
  if (at !== -1) return { ...place, tag: undefined, target: { digest: parseDigest(text.slice(at + 1)) } };
  const tag = parseTag(hasTag ? named.slice(colon + 1) : 'latest');
  return { ...place, tag, target: { tag } };
}

function splitHost(text: string): Pick<ParsedReference, 'typedHost' | 'path'> {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  if (/[.:]/.test(first) || first === 'localhost') return { typedHost: first, path: text.slice(slash + 1) };
  return { typedHost: undefined, path: text };
}

/**
 * Names an image after its folder or archive: its name up to the first dot, in letters that a repository may have.
 *
 * @param tag - what its index calls it; `undefined` for `latest`
 */
export function fileReference(path: string, tag: string | undefined): ImageReference {
  const repository = basename(resolve(path))
    .replace(/(?<=.)\..*$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  const name = tag ?? 'latest';
  return {
    host: undefined,
    repository: repository || 'image',
    tag: isTag(name) ? name : undefined,
    typed: undefined,
  };
}
