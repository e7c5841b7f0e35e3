/** Whether a blob may go: not while a manifest of its repository refers to it. */
import { readFile } from 'node:fs/promises';
import { type Digest, hexOf } from '../oci/digest.js';
import { parseManifest } from '../oci/manifest.js';
import type { RepositoryName } from '../oci/reference.js';
import type { Layout } from './layout.js';
import { listLinks, readLink } from './links.js';

/** Looks through a repository's manifests. Only those are parsed in which the digest stands anywhere. */
export async function isNeeded(layout: Layout, repository: RepositoryName, digest: Digest): Promise<boolean> {
  const hex = hexOf(digest);
  for (const revision of await listLinks(layout.revisions(repository))) {
    const linked = await readLink(layout.revisionLink(repository, revision));
    const bytes = linked && (await readFile(layout.data(linked)).catch(() => undefined));
    if (bytes?.includes(hex) && refersTo(bytes, digest)) return true;
  }
  return false;
}

function refersTo(bytes: Buffer, digest: Digest): boolean {
  try {
    const { config, layers } = parseManifest(bytes, undefined);
    return [config, ...layers].some((part) => part?.digest === digest);
  } catch {
    // Nobody can pull what cannot be read.
    return false;
  }
}
