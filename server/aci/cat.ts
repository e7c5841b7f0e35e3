/** The bytes of one file of an image. */
import { DepotError } from '../errors.js';
import { printableBytes } from '../stream/printable-bytes.js';
import { type AciVisitor, readAci } from './archive.js';
import { ArchivePath } from './archive-path.js';
import { asInvalidAci } from './invalid-aci.js';
import { type AciNode, AciTree } from './tree.js';

/**
 * Gives the data of a file in parts. The archive is read twice: only after its end is it known which entry a name leads
 * to, and that the archive is whole; so nothing is given of one that is damaged.
 *
 * @param path - the archive, untrusted
 * @param file - what a person wrote to mean an entry, see {@link ArchivePath}; a hard link is its target
 * @param write - takes the data, and is waited for
 * @throws DepotError `NOT_FOUND`: no such file; `CHECK_FAILED`: it is no file but a link, a directory, …; `ACI_INVALID`:
 *   no readable archive; `FILE_CHANGED`; `ACCESS_DENIED`, `IO_FAILED`; what `write` throws
 */
export async function catAci(
  path: string,
  file: string,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const wanted = new ArchivePath(file);
  const tree = new AciTree();
  await read(path, {
    event(event) {
      if (event.kind === 'entry') tree.add(event.entry);
      return undefined;
    },
  });
  const node = find(tree, wanted, path);
  refuseOther(node, wanted, path);
  await copy(path, node, write);
}

async function read(path: string, visitor: AciVisitor): Promise<void> {
  await readAci(path, visitor).catch((error: unknown) => {
    throw asInvalidAci(error, path);
  });
}

function find(tree: AciTree, wanted: ArchivePath, path: string): AciNode {
  for (const [name, node] of tree.nodes) if (wanted.is(name)) return node;
  const link = linkOnTheWay(tree, wanted.text);
  const hint = link === undefined ? '' : `; ${link}`;
  throw new DepotError('NOT_FOUND', `${path}: ${wanted.missing}${hint}`, { path });
}

function linkOnTheWay(tree: AciTree, text: string): string | undefined {
  for (const [name, { entry }] of tree.nodes) {
    if (entry.type !== 'symlink' || !text.startsWith(`${printableBytes(name)}/`)) continue;
    return `${printableBytes(name)} is a symlink to ${printableBytes(entry.linkName)}`;
  }
  return undefined;
}

function refuseOther({ entry }: AciNode, wanted: ArchivePath, path: string): void {
  if (entry.type === 'file') return;
  const target = entry.type === 'symlink' ? ` to ${printableBytes(entry.linkName)}: name that` : '';
  throw new DepotError(
    'CHECK_FAILED',
    `${path}: ${wanted.text} is a ${entry.type}${target}, expected a file`,
    {
      path,
    },
  );
}

async function copy(path: string, node: AciNode, write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  let index = -1;
  let missing = node.entry.size;
  let parts: Uint8Array[] = [];
  const flush = async (): Promise<void> => {
    const ready = parts;
    parts = [];
    for (const part of ready) await write(part);
  };
  await read(path, {
    event(event) {
      if (event.kind === 'entry') {
        index += 1;
        return index > node.index ? 'enough' : undefined;
      }
      if (index !== node.index || event.entry.name !== node.entry.name) return undefined;
      parts.push(event.bytes);
      missing -= event.bytes.length;
      return undefined;
    },
    settled: flush,
  });
  await flush();
  if (missing === 0) return;
  throw new DepotError('FILE_CHANGED', `${path} was changed while it was read`, { path });
}
