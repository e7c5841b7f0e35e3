/** What images of the registry are called as ACIs. */
import type { Tag } from '../oci/reference.js';
import type { ImageReference } from './source.js';

/** Lists of referrers and signatures, where clients keep them that do not ask the registry for such lists. */
const OF_REFERRERS = /^sha(?:256|512)-[0-9a-f]{64}/;

/** Whether a tag may be of an image; others say of which manifest they speak. */
export function isVersionTag(tag: Tag): boolean {
  return !OF_REFERRERS.test(tag);
}

/**
 * Says what an image is called. rkt compares the full name, which begins with a host.
 *
 * @param name - a full name, or that of a repository, such as `quay.io/coreos/etcd` or `coreos/etcd`
 * @param host - put in front of a name that has none; `undefined`: such a name stays as it is
 */
export function imageCalled(name: string, tag: Tag, host?: string): ImageReference {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  if (!first.includes('.')) return { host, repository: name, tag, typed: undefined };
  return { host: first, repository: name.slice(slash + 1), tag, typed: undefined };
}
