/** What an image would unpack to, with a digest of each file in the place of its data. */
import { createHash, type Hash } from 'node:crypto';
import { DepotError } from '../errors.js';
import { readAci } from './archive.js';
import type { ManifestReading } from './image-manifest.js';
import { asInvalidAci, NO_MANIFEST } from './invalid-aci.js';
import { ManifestFile } from './manifest-file.js';
import { type AciNode, AciTree } from './tree.js';

/** An image without its data. */
export interface DigestedAci {
  /** The manifest as it stands there. */
  readonly manifest: unknown;
  /** By path, as `cleanPath` gives it. */
  readonly nodes: ReadonlyMap<string, AciNode>;
  /** SHA-256 of the data, 64 hex digits, of each node that has data. */
  readonly digests: ReadonlyMap<AciNode, string>;
}

/**
 * Reads an archive once, to its end. Memory grows with the number of entries, not with their size.
 *
 * @param path - the file, untrusted
 * @throws DepotError `ACI_INVALID`: no readable archive, or no manifest in it; `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function digestAci(path: string): Promise<DigestedAci> {
  const tree = new AciTree();
  const file = new ManifestFile();
  const digests = new Map<AciNode, string>();
  let found: ManifestReading | undefined;
  let open: { readonly node: AciNode; readonly hash: Hash } | undefined;
  const close = (): void => {
    if (open !== undefined) digests.set(open.node, open.hash.digest('hex'));
    open = undefined;
  };
  await readAci(path, {
    event(event) {
      found ??= file.take(event);
      if (event.kind === 'data') {
        open?.hash.update(event.bytes);
        return undefined;
      }
      close();
      const node = tree.add(event.entry);
      const isFile = event.entry.type === 'file' || event.entry.type === 'sparse';
      if (isFile) open = { node, hash: createHash('sha256') };
      return undefined;
    },
  }).catch((error: unknown) => {
    throw asInvalidAci(error, path);
  });
  close();
  if (found?.json !== undefined) return { manifest: found.json, nodes: tree.nodes, digests };
  throw new DepotError('ACI_INVALID', `${path}: ${found?.problems[0] ?? NO_MANIFEST}`, { path });
}
