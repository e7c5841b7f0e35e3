/** The names of files in a bundle, and what each of them is. There are no others: a bundle brings nothing else anywhere. */

import { signedNameOf } from '../assets/signature-name.js';
import { isServedName } from '../disk/safe-path.js';
import { algorithmOf, type Digest, hexOf, isDigest } from '../oci/digest.js';
import { isRepositoryName, type RepositoryName } from '../oci/reference.js';

/** What bundle.json and its signature are called; they come first. */
export const CONTENTS_NAME = 'bundle.json';
/** The detached signature over bundle.json. */
export const SIGNATURE_NAME = 'bundle.json.asc';

/** What a file of a bundle is. */
export type BundlePlace =
  /** For other programs that read the bundle; nothing of a depot. */
  | { readonly kind: 'list' }
  | { readonly kind: 'key'; readonly fingerprint: string }
  | { readonly kind: 'lookaside'; readonly repository: RepositoryName; readonly digest: Digest }
  /** `parts`: its path below the assets folder. */
  | { readonly kind: 'asset'; readonly parts: readonly string[] }
  | { readonly kind: 'blob'; readonly digest: Digest };

const LISTS: ReadonlySet<string> = new Set(['SHA256SUMS', 'SHA512SUMS', 'oci-layout', 'index.json']);
const KEY = /^keys\/([0-9A-F]{40})\.asc$/;
const BLOB = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/;
const LOOKASIDE = /^lookaside\/([^@]+)@(sha256|sha512)=([0-9a-f]+)\/signature-[1-9]\d{0,3}$/;
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 2048;

/**
 * Reads a path.
 *
 * @param path - untrusted
 * @returns `undefined` for what no bundle has: a path that escapes, a hidden name, another folder
 */
export function placeIn(path: string): BundlePlace | undefined {
  if (LISTS.has(path)) return { kind: 'list' };
  const fingerprint = KEY.exec(path)?.[1];
  if (fingerprint !== undefined) return { kind: 'key', fingerprint };
  if (path.startsWith('assets/')) return assetPlace(path);
  const [, algorithm, hex] = BLOB.exec(path) ?? [];
  const blob = `${algorithm}:${hex}`;
  if (isDigest(blob)) return { kind: 'blob', digest: blob };
  const [, repository = '', kind, signed] = LOOKASIDE.exec(path) ?? [];
  const digest = `${kind}:${signed}`;
  return isDigest(digest) && isRepositoryName(repository)
    ? { kind: 'lookaside', repository, digest }
    : undefined;
}

function assetPlace(path: string): BundlePlace | undefined {
  const parts = path.split('/').slice(1);
  const good = parts.every(
    (part) =>
      part !== '' && isServedName(part) && !part.includes('\0') && Buffer.byteLength(part) <= MAX_NAME_BYTES,
  );
  return good && Buffer.byteLength(path) <= MAX_PATH_BYTES ? { kind: 'asset', parts } : undefined;
}

/** Where content lies in a bundle, as in every OCI layout. */
export function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}

/** The file that a signature, or a signature of a signature, is of in the end; for other files their own name. */
export function signedRoot(name: string): string {
  let root = name;
  for (let next = signedNameOf(root); next !== undefined; next = signedNameOf(root)) root = next;
  return root;
}
