/** What a request under `/v2/` is about. OCI distribution specification, "Endpoints". */
import { DepotError } from '../../index.js';

/** The kinds of things that have an address. */
type Target =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'token' }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'uploads'; readonly name: string }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly digest: string }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: string }
  | { readonly kind: 'signatures'; readonly name: string; readonly digest: string }
  | { readonly kind: 'upload'; readonly name: string; readonly id: string };

/** An address of the registry, in its parts; none of them is checked yet. */
export type RegistryAddress = Target & { readonly query: URLSearchParams };

/** The form of an upload's folder stands before that of a blob; else what is asked for most comes first. */
const FORMS: readonly [RegExp, (name: string, last: string) => Target][] = [
  [/^(.*)\/manifests\/([^/]+)$/, (name, reference) => ({ kind: 'manifest', name, reference })],
  [/^(.*)\/blobs\/uploads\/?$/, (name) => ({ kind: 'uploads', name })],
  [/^(.*)\/blobs\/uploads\/([^/]+)$/, (name, id) => ({ kind: 'upload', name, id })],
  [/^(.*)\/blobs\/([^/]+)$/, (name, digest) => ({ kind: 'blob', name, digest })],
  [/^(.*)\/referrers\/([^/]+)$/, (name, digest) => ({ kind: 'referrers', name, digest })],
  [/^(.*)\/tags\/list$/, (name) => ({ kind: 'tags', name })],
];

/** What containers/image and OpenShift have beside the registry's own addresses. */
const EXTENSIONS = '/extensions/v2/';
const SIGNATURES = /^(.*)\/signatures\/([^/]+)$/;

/** Whether a request is for the registry. */
export function isRegistryUrl(url: string): boolean {
  return url === '/v2' || url.startsWith('/v2/') || url.startsWith('/v2?') || url.startsWith(EXTENSIONS);
}

/**
 * Reads an address; `undefined` if nothing could ever be there.
 *
 * @param url - as the client sent it, for which {@link isRegistryUrl} is true
 * @throws DepotError `NAME_INVALID`: it cannot be decoded
 */
export function parseAddress(url: string): RegistryAddress | undefined {
  const start = url.indexOf('?');
  const path = decode(start === -1 ? url : url.slice(0, start));
  const target = targetOf(path);
  return (
    target && Object.assign(target, { query: new URLSearchParams(start === -1 ? '' : url.slice(start)) })
  );
}

function targetOf(path: string): Target | undefined {
  if (path === '/v2' || path === '/v2/') return { kind: 'base' };
  if (path === '/v2/_catalog') return { kind: 'catalog' };
  if (path === '/v2/token') return { kind: 'token' };
  if (path.startsWith(EXTENSIONS)) return signaturesAt(path.slice(EXTENSIONS.length));
  const rest = path.slice('/v2/'.length);
  for (const [form, build] of FORMS) {
    const match = form.exec(rest);
    if (match !== null) return build(match[1] ?? '', match[2] ?? '');
  }
  return undefined;
}

function signaturesAt(rest: string): Target | undefined {
  const [, name, digest] = SIGNATURES.exec(rest) ?? [];
  if (name === undefined || digest === undefined) return undefined;
  return { kind: 'signatures', name, digest };
}

function decode(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    throw new DepotError('NAME_INVALID', 'expected UTF-8, percent-encoded');
  }
}
