/** The names of a layer's entries as paths, and what names of a special kind mean. OCI image specification, layer.md. */
import { printableBytes } from '../stream/printable-bytes.js';
import { imageInvalid } from './image-invalid.js';

/** A path that a name needs work to become: empty, `.` or `..` parts. */
const IRREGULAR = /(?:^|\/)(?:\.{0,2})(?:\/|$)/;

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const RESERVED = '.wh..wh.';

/**
 * Reads the name of an entry, or the target of a hard link: slashes around it, double slashes and `.` are dropped, `..`
 * is resolved in the text.
 *
 * @param name - bytes as Latin-1, untrusted
 * @returns the path from the root, without a slash at either end; empty for the root itself
 * @throws DepotError `IMAGE_INVALID`: it leads above the root
 */
export function entryPath(name: string): string {
  const start = name.startsWith('./') ? 2 : 0;
  const path = name.slice(start, name.endsWith('/') ? -1 : undefined);
  return IRREGULAR.test(path) ? normalized(name) : path;
}

function normalized(name: string): string {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) {
      throw imageInvalid(`the name ${shown(name)} leads above the root`);
    }
  }
  return parts.join('/');
}

/** What an entry does to the layers below it, by the last part of its path alone. */
export type Marker =
  /** Hides a name in the same directory. */
  | { readonly kind: 'whiteout'; readonly path: string }
  /** Hides all that is in a directory. */
  | { readonly kind: 'opaque'; readonly directory: string }
  /** Of a file system that is not ours. */
  | { readonly kind: 'reserved' };

/**
 * Tells a marker from a plain entry.
 *
 * @param path - from {@link entryPath}
 * @returns `undefined` for a plain entry
 * @throws DepotError `IMAGE_INVALID`: a whiteout of nothing, of `.` or of `..`
 */
export function markerOf(path: string): Marker | undefined {
  const slash = path.lastIndexOf('/');
  if (!path.startsWith(WHITEOUT, slash + 1)) return undefined;
  const base = path.slice(slash + 1);
  const directory = path.slice(0, Math.max(slash, 0));
  if (base === OPAQUE) return { kind: 'opaque', directory };
  if (base.startsWith(RESERVED)) return { kind: 'reserved' };
  const hidden = base.slice(WHITEOUT.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw imageInvalid(`the whiteout ${shown(path)} names nothing that could be removed`);
  }
  return { kind: 'whiteout', path: directory === '' ? hidden : `${directory}/${hidden}` };
}

/** A name in a message. */
export function shown(name: string): string {
  return printableBytes(name.slice(0, 200));
}
