/** The four links that programs in an image expect in `/dev`, as docker2aci adds them. */
import { type FileTree, ROOT } from './file-tree.js';
import { imageInvalid } from './image-invalid.js';
import type { RecordTable } from './record-table.js';

const LINKS = [
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/dev/console'],
  ['stderr', '/dev/console'],
  ['fd', '/proc/self/fd'],
] as const;

/**
 * Finds the links that are missing in the finished tree: each only if nothing of any kind has its name.
 *
 * @returns pairs of path and target
 * @throws DepotError `IMAGE_INVALID`: `/dev` is something else than a directory
 */
export function stdioLinks({
  tree,
  records,
}: {
  readonly tree: FileTree;
  readonly records: RecordTable;
}): readonly (readonly [string, string])[] {
  const dev = tree.find(ROOT, 'dev');
  if (dev !== 0 && records.kindOf(tree.recordOf(dev)) !== 'directory') {
    throw imageInvalid('/dev of the image is not a directory, where rkt needs one');
  }
  const missing = LINKS.filter(([name]) => dev === 0 || tree.find(dev, name) === 0);
  return missing.map(([name, target]) => [`dev/${name}`, target]);
}
