/** The `Content-Type` of a file, by its name alone. Content is never sniffed, here or (with `nosniff`) by browsers. */
import { extname } from 'node:path';
import { contentType } from 'mime-types';

const PLAIN_TEXT = 'text/plain; charset=utf-8';
const BYTES = 'application/octet-stream';

/** Endings that mime-types does not know, or knows as something else than boot tooling means by them. */
const BOOT_TYPES: Readonly<Record<string, string>> = {
  '.aci': BYTES,
  '.asc': 'application/pgp-signature',
  '.cfg': PLAIN_TEXT,
  '.efi': 'application/efi',
  '.gpg': BYTES,
  '.ign': 'application/vnd.coreos.ignition+json',
  '.ipxe': PLAIN_TEXT,
  '.ks': PLAIN_TEXT,
  '.pub': PLAIN_TEXT,
  '.service': PLAIN_TEXT,
  '.sha256': PLAIN_TEXT,
  '.sha512': PLAIN_TEXT,
  '.sig': 'application/pgp-signature',
  '.tgz': 'application/gzip',
  '.zst': 'application/zstd',
};

const CHECKSUM_LIST = /^SHA\d+SUMS$/;
/** `vmlinuz:v1.123` has a version where other names have an ending. */
const NUMBER = /^\.\d+$/;

/**
 * The type of a file. Kernels and everything else without a known ending are `application/octet-stream`.
 *
 * @param name - with or without folders
 */
export function contentTypeOf(name: string): string {
  const base = name.slice(name.lastIndexOf('/') + 1);
  if (CHECKSUM_LIST.test(base)) return PLAIN_TEXT;
  const ending = extname(base).toLowerCase();
  if (ending === '' || NUMBER.test(ending)) return BYTES;
  return BOOT_TYPES[ending] ?? (contentType(ending) || BYTES);
}

/** Types that a browser would run scripts of. */
const ACTIVE = /^(?:text\/html|text\/xml|application\/xml|[^;]+\+xml)(?:;|$)/;

/** Whether a browser could run scripts in a file of this type. */
export function isActive(type: string): boolean {
  return ACTIVE.test(type);
}
