/** What is different between two images: their manifests, and what they unpack to. */
import { printableBytes } from '../stream/printable-bytes.js';
import { type DigestedAci, digestAci } from './digest-tree.js';
import { fieldsOf } from './manifest-fields.js';
import type { AciNode } from './tree.js';

/** One property that is different; what one of the two does not have is absent there. */
export interface AciChange {
  /** A field of the manifest, or `type`, `mode`, `owner`, `size`, `content`, `target`, `hard link`, `device`, `xattr NAME`. */
  readonly what: string;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** One path that is different. */
export interface AciDifference {
  /** As in the archive, fit for a terminal; the manifest's is `manifest`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  readonly changes: readonly AciChange[];
}

type Properties = ReadonlyMap<string, string>;

/**
 * Compares two archives, each read once, to its end. How they are packed does not count: compression, the order of
 * entries, times, names of owners, which of several hard links has the data.
 *
 * @param one - the older file, untrusted
 * @param other - the newer one
 * @returns the manifest first, then paths in the order of their bytes; none where the images are the same
 * @throws DepotError `ACI_INVALID`, `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function diffAcis(one: string, other: string): Promise<readonly AciDifference[]> {
  const before = await digestAci(one);
  const after = await digestAci(other);
  const manifest = changesBetween(fieldsOf(before.manifest), fieldsOf(after.manifest));
  const [from, to] = [propertiesIn(before), propertiesIn(after)];
  const paths = [...new Set([...before.nodes.keys(), ...after.nodes.keys()])].filter(
    (path) => path !== 'manifest',
  );
  const differences = paths.sort().map((path) => differenceAt(path, from(path), to(path)));
  return [
    { path: 'manifest', kind: 'changed' as const, changes: manifest },
    ...differences.filter((difference) => difference !== undefined),
  ].filter(({ changes }) => changes.length > 0);
}

function differenceAt(
  path: string,
  from: Properties | undefined,
  to: Properties | undefined,
): AciDifference | undefined {
  const changes = changesBetween(from ?? new Map(), to ?? new Map());
  if (changes.length === 0) return undefined;
  const kind = from === undefined ? 'added' : to === undefined ? 'removed' : 'changed';
  return { path: printableBytes(path), kind, changes };
}

function changesBetween(from: Properties, to: Properties): AciChange[] {
  const names = [...new Set([...from.keys(), ...to.keys()])];
  return names
    .map((what) => ({ what, from: from.get(what), to: to.get(what) }))
    .filter((change) => change.from !== change.to);
}

/** A function that tells the properties of what a path leads to. */
function propertiesIn({ nodes, digests }: DigestedAci): (path: string) => Properties | undefined {
  /** Of several names of one node, the first. */
  const firstNames = new Map<AciNode, string>();
  for (const [path, node] of nodes) {
    const first = firstNames.get(node);
    if (first === undefined || path < first) firstNames.set(node, path);
  }
  return (path) => {
    const node = nodes.get(path);
    if (node === undefined) return undefined;
    const first = firstNames.get(node) ?? path;
    return propertiesOf(node, digests.get(node), first === path ? undefined : first);
  };
}

function propertiesOf(
  { entry }: AciNode,
  digest: string | undefined,
  linkedTo: string | undefined,
): Properties {
  const isLink = entry.type === 'symlink' || entry.type === 'hard-link';
  const isDevice = entry.type === 'character-device' || entry.type === 'block-device';
  const all: readonly (readonly [string, string | undefined])[] = [
    ['type', entry.type],
    ['mode', entry.mode.toString(8).padStart(4, '0')],
    ['owner', `${entry.uid}:${entry.gid}`],
    ['size', digest && String(entry.size)],
    ['content', digest && `sha256:${digest}`],
    ['target', isLink ? printableBytes(entry.linkName) : undefined],
    ['hard link', linkedTo && printableBytes(linkedTo)],
    ['device', isDevice ? `${entry.devMajor},${entry.devMinor}` : undefined],
    ...[...entry.xattrs].map(
      ([name, value]) => [`xattr ${printableBytes(name)}`, printableBytes(value)] as const,
    ),
  ];
  return new Map(all.filter((property): property is readonly [string, string] => property[1] !== undefined));
}
