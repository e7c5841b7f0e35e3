/** What of one repository nothing refers to any more. Nothing is removed here. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DepotError } from '../../errors.js';
import type { Digest } from '../../oci/digest.js';
import type { Manifest } from '../../oci/manifest.js';
import type { RepositoryName } from '../../oci/reference.js';
import { leasedAt } from '../leases.js';
import { listLinks } from '../links.js';
import type { Registry } from '../open-registry.js';

/** What is kept though nothing refers to it. */
export interface KeepRules {
  /** What somebody pushed, built on, or was told of then or later stays; milliseconds since 1970. */
  readonly since: number;
  /** Whether manifests without a tag may go; they may be all that a machine pulls by digest. */
  readonly untagged: 'keep' | 'remove';
}

/** What may be removed of a repository. */
export interface RepositoryPlan {
  readonly manifests: readonly Digest[];
  readonly layers: readonly Digest[];
  /** Manifests that cannot be read: what they refer to is not known, so none of the repository's blobs may go. */
  readonly unreadable: readonly Digest[];
}

/** What one manifest holds on to. */
interface Holds {
  readonly blobs: readonly Digest[];
  readonly children: readonly Digest[];
  readonly subject: Digest | undefined;
}

/** Looks through the manifests and the links of a repository. */
export async function planRepository(
  registry: Registry,
  repository: RepositoryName,
  rules: KeepRules,
): Promise<RepositoryPlan> {
  const { layout } = registry;
  const revisions = await listLinks(layout.revisions(repository));
  const holds = new Map<Digest, Holds>();
  for (const digest of revisions) {
    const manifest = await readManifest(registry, repository, digest);
    if (manifest !== undefined) holds.set(digest, holdsOf(manifest));
  }
  const unreadable = revisions.filter((digest) => !holds.has(digest));
  const kept =
    rules.untagged === 'keep' || unreadable.length > 0
      ? new Set(revisions)
      : withAllTheyHold(await rootsOf(registry, repository, revisions, rules), holds);
  const needed = new Set([...kept].flatMap((digest) => holds.get(digest)?.blobs ?? []));
  const layers = await listLinks(layout.layers(repository));
  return {
    manifests: revisions.filter((digest) => !kept.has(digest)),
    layers: unreadable.length > 0 ? [] : layers.filter((digest) => !needed.has(digest)),
    unreadable,
  };
}

/** One of a kind that is not kept any more, as an old folder of the reference may hold, is as good as unreadable. */
async function readManifest(
  { manifests }: Registry,
  repository: RepositoryName,
  digest: Digest,
): Promise<Manifest | undefined> {
  try {
    return (await manifests.find(repository, { digest }))?.manifest;
  } catch (error) {
    if (error instanceof DepotError && error.code === 'MANIFEST_INVALID') return undefined;
    throw error;
  }
}

function holdsOf({ config, layers, manifests, subject }: Manifest): Holds {
  const blobs = config === undefined ? layers : [config, ...layers];
  return {
    // Also what may not be distributed: whoever pushed it all the same meant to have it here.
    blobs: blobs.map(({ digest }) => digest),
    children: manifests.map(({ digest }) => digest),
    subject: subject?.digest,
  };
}

/** What has a tag, and what had one or was built on not long ago. */
async function rootsOf(
  registry: Registry,
  repository: RepositoryName,
  revisions: readonly Digest[],
  { since }: KeepRules,
): Promise<Digest[]> {
  const { layout } = registry;
  const tagged = new Set<Digest>();
  const lastTagged = new Map<Digest, number>();
  for (const tag of (await registry.tags.list(repository)) ?? []) {
    const current = await registry.tags.current(repository, tag);
    if (current !== undefined) tagged.add(current);
    const movedAt = await changedAt(layout.tagLink(repository, tag));
    for (const had of await listLinks(join(layout.tag(repository, tag), 'index'))) {
      lastTagged.set(had, Math.max(lastTagged.get(had) ?? 0, movedAt));
    }
  }
  const roots: Digest[] = [];
  for (const digest of revisions) {
    const leased = await changedAt(layout.revisionLink(repository, digest));
    const at = Math.max(leased, lastTagged.get(digest) ?? 0);
    if (tagged.has(digest) || at >= since) roots.push(digest);
  }
  return roots;
}

async function changedAt(path: string): Promise<number> {
  // What cannot be seen is not old.
  return stat(path).then(leasedAt, () => Number.POSITIVE_INFINITY);
}

/** Roots, the children of what is kept, and what speaks of what is kept. */
function withAllTheyHold(roots: readonly Digest[], holds: ReadonlyMap<Digest, Holds>): Set<Digest> {
  const speakers = new Map<Digest, Digest[]>();
  for (const [digest, { subject }] of holds) {
    if (subject !== undefined) speakers.set(subject, [...(speakers.get(subject) ?? []), digest]);
  }
  const kept = new Set<Digest>();
  const open = [...roots];
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    if (kept.has(digest)) continue;
    kept.add(digest);
    open.push(...(holds.get(digest)?.children ?? []), ...(speakers.get(digest) ?? []));
  }
  return kept;
}
