/** What speaks of an image and lies beside it: referrers, and what cosign keeps under tags. */
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { isTag, type Tag } from '../oci/reference.js';
import type { FetchedManifest } from '../registry/upstream/fetch-manifest.js';
import type { Origin } from './origin.js';

/** One of them. */
export interface Companion {
  readonly fetched: FetchedManifest;
  /** `undefined`: it is found by the list of referrers. */
  readonly tag: Tag | undefined;
}

/** Signatures, attestations, bills of materials. */
const ENDINGS = ['.sig', '.att', '.sbom'];

/** Everything that its registry has about a manifest. @throws DepotError as `Origin.manifest` */
export async function companionsOf(origin: Origin, subject: Digest): Promise<Companion[]> {
  const referrers = await origin.referrers(subject);
  const names = ENDINGS.map((ending) => `${algorithmOf(subject)}-${hexOf(subject)}${ending}`).filter(isTag);
  const listed = referrers.map(async (digest) => ({
    fetched: await origin.manifest({ digest }),
    tag: undefined,
  }));
  const tagged = names.map(async (tag) => ({ fetched: await origin.find({ tag }), tag }));
  const found = await Promise.all([...listed, ...tagged]);
  return found.flatMap(({ fetched, tag }) => (fetched === undefined ? [] : { fetched, tag }));
}
