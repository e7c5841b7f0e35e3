/** A file that a bundle is to carry, and where its bytes are. */
import { createHash } from 'node:crypto';
import type { FileVersion } from '../disk/file-version.js';
import { type Algorithm, digestOf } from '../oci/digest.js';
import type { StoredContent } from '../registry/content.js';
import type { BundleFile } from './contents.js';

/** Where bytes are: at hand, in a file of a certain version, or in the registry. */
export type BytesAt =
  | { readonly bytes: Uint8Array }
  | { readonly path: string; readonly version: FileVersion }
  | { readonly content: StoredContent };

/** A file and its bytes. */
export interface PlannedFile extends BundleFile {
  readonly from: BytesAt;
}

/** A file whose bytes are at hand. */
export function fileOf(
  path: string,
  content: string | Uint8Array,
  algorithm: Algorithm = 'sha256',
): PlannedFile {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const digest = digestOf(algorithm, createHash(algorithm).update(bytes).digest('hex'));
  return { path, size: bytes.length, digest, from: { bytes } };
}
