/**
 * When an upstream last said that a tag is as it is here: the modification time of the tag's folder, which survives a
 * restart. Its link will not do: what happens to that says how long the manifests stay that the tag had before.
 */
import { stat, utimes } from 'node:fs/promises';
import type { RepositoryName, Tag } from '../../oci/reference.js';
import type { Layout } from '../layout.js';

/** Milliseconds since a tag was set or confirmed; `undefined` if there is no such tag, or the clock went backwards. */
export async function tagAge(
  layout: Layout,
  repository: RepositoryName,
  tag: Tag,
): Promise<number | undefined> {
  const stats = await stat(layout.tag(repository, tag)).catch(() => undefined);
  const age = stats === undefined ? -1 : Date.now() - stats.mtimeMs;
  return age < -1_000 || stats === undefined ? undefined : Math.max(0, age);
}

/** Notes that a tag is what its upstream has. A note that cannot be made costs one more question. */
export async function confirmTag(layout: Layout, repository: RepositoryName, tag: Tag): Promise<void> {
  const now = new Date();
  await utimes(layout.tag(repository, tag), now, now).catch(() => undefined);
}
