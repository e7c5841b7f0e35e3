/**
 * Who speaks of an image, noted under a tag, as clients do for registries that keep no lists of referrers themselves.
 * OCI distribution specification, "Pushing Manifests with Subject".
 */
import type { Readable } from 'node:stream';
import type { Digest } from '../oci/digest.js';
import { fallbackTag } from '../oci/fallback-tag.js';
import { type Descriptor, parseManifest } from '../oci/manifest.js';
import { OCI_INDEX } from '../oci/media-type.js';
import type { Tag } from '../oci/reference.js';
import { MAX_MANIFEST_BYTES } from '../registry/manifests.js';
import { describeReferrer } from '../registry/referrers.js';
import type { FetchedManifest } from '../registry/upstream/fetch-manifest.js';
import { readBody } from '../registry/upstream/read-body.js';

/** Reads and writes manifests under tags. */
export interface TaggedLists {
  readonly read: (tag: Tag) => Promise<Readable | undefined>;
  readonly write: (tag: Tag, bytes: Buffer, type: string) => Promise<void>;
}

/** Adds a manifest to the list of its subject's referrers, if it is not in it. @throws what `read` and `write` throw */
export async function noteReferrer(
  referrer: FetchedManifest,
  subject: Digest,
  lists: TaggedLists,
): Promise<void> {
  const tag = fallbackTag(subject);
  const body = await lists.read(tag);
  const bytes = body === undefined ? undefined : await readBody(body, MAX_MANIFEST_BYTES);
  const listed: readonly Descriptor[] = bytes === undefined ? [] : parseManifest(bytes, OCI_INDEX).manifests;
  if (listed.some(({ digest }) => digest === referrer.digest)) return;
  const manifest = parseManifest(referrer.bytes, referrer.contentType);
  const entry = describeReferrer(referrer.digest, referrer.bytes.length, manifest);
  const list = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...listed, entry] };
  await lists.write(tag, Buffer.from(JSON.stringify(list)), OCI_INDEX);
}
