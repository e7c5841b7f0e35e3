/** Manifests of images and indexes. OCI image specification, manifest.md and image-index.md; Docker image manifest V2, schema 2. */
import { z } from 'zod';
import { DepotError } from '../errors.js';
import { isDigest } from './digest.js';
import {
  bareType,
  isDockerType,
  isIndexType,
  isManifestType,
  MANIFEST_TYPES,
  type ManifestType,
  OCI_IMAGE,
  OCI_INDEX,
  SCHEMA_1_TYPE,
} from './media-type.js';

const ANNOTATIONS = z.record(z.string(), z.string());
const DESCRIPTOR = z.object({
  mediaType: z.string().optional(),
  digest: z.string().refine(isDigest, 'expected sha256: or sha512: with lower-case hex'),
  /** Bytes. */
  size: z.int().min(0),
  urls: z.array(z.string()).optional(),
  annotations: ANNOTATIONS.optional(),
  artifactType: z.string().optional(),
  platform: z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() }).optional(),
});
const COMMON = {
  schemaVersion: z.literal(2, { error: 'expected 2' }),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  annotations: ANNOTATIONS.nullish(),
  subject: DESCRIPTOR.nullish(),
};
const IMAGE = z.object({
  ...COMMON,
  config: DESCRIPTOR,
  layers: z.array(DESCRIPTOR),
  manifests: z.undefined({ error: 'an image lists no manifests' }).optional(),
});
const INDEX = z.object({
  ...COMMON,
  manifests: z.array(DESCRIPTOR),
  layers: z.undefined({ error: 'an index has no layers' }).optional(),
  config: z.undefined({ error: 'an index has no config' }).optional(),
});
const OUTLINE = z.looseObject({ schemaVersion: z.unknown().optional(), mediaType: z.string().optional() });

/** What a manifest says of a piece of content. */
export type Descriptor = z.output<typeof DESCRIPTOR>;

/** What a registry needs to know of a manifest; the bytes themselves are kept as they came. */
export interface Manifest {
  readonly mediaType: ManifestType;
  /** Of an image. */
  readonly config?: Descriptor | undefined;
  /** Of an image; empty for an index. */
  readonly layers: readonly Descriptor[];
  /** Of an index; empty for an image. */
  readonly manifests: readonly Descriptor[];
  /** The manifest that this one speaks of. */
  readonly subject?: Descriptor | undefined;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** The config and the layers of an image that a registry must have; layers that may not be distributed stay where they are. */
export function blobsOf({ config, layers }: Manifest): readonly Descriptor[] {
  const blobs = config === undefined ? layers : [config, ...layers];
  return blobs.filter((blob) => !isElsewhere(blob));
}

function isElsewhere({ mediaType, urls }: Descriptor): boolean {
  return urls !== undefined && urls.length > 0 && /nondistributable|foreign/.test(mediaType ?? '');
}

/**
 * Reads a manifest. Fields that are not known are passed over; a manifest that could be read as two kinds is refused.
 *
 * @param bytes - as sent
 * @param contentType - the field it came with; `undefined` if there was none
 * @throws DepotError `MANIFEST_INVALID`: no JSON, another type, or a field that is wrong, with its name
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  const raw = parseJson(bytes);
  const mediaType = typeOf(raw, contentType);
  const parsed = (isIndexType(mediaType) ? INDEX : IMAGE).safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`${issue?.path.join('.') || 'manifest'}: ${issue?.message ?? 'unexpected'}`);
  }
  const { config, layers = [], manifests = [], subject, artifactType, annotations } = parsed.data;
  return {
    mediaType,
    config,
    layers,
    manifests,
    subject: subject ?? undefined,
    artifactType,
    annotations: annotations ?? undefined,
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new DepotError('MANIFEST_INVALID', 'expected JSON in UTF-8', {}, { cause });
  }
}

/**
 * The type that field and body agree on. A body of OCI may leave it out; as the field is not kept, its shape then says what it
 * is, now and whenever it is read again.
 */
function typeOf(raw: unknown, contentType: string | undefined): ManifestType {
  const outline = OUTLINE.safeParse(raw);
  if (!outline.success) throw invalid('expected a JSON object whose mediaType, if any, is a text');
  const { schemaVersion, mediaType } = outline.data;
  const field = contentType === undefined ? undefined : bareType(contentType);
  const told = field ?? mediaType ?? ('manifests' in outline.data ? OCI_INDEX : OCI_IMAGE);
  if (schemaVersion === 1 || SCHEMA_1_TYPE.test(told)) {
    throw invalid('manifests of schema 1 are not kept: push the image with a client of 2016 or newer');
  }
  if (field !== undefined && mediaType !== undefined && field !== mediaType) {
    throw invalid(`Content-Type is ${field}, but mediaType is ${mediaType}`);
  }
  if (!isManifestType(told)) throw invalid(`type ${told} is not kept, only ${MANIFEST_TYPES.join(', ')}`);
  if (mediaType === undefined && isDockerType(told)) throw invalid(`mediaType: expected ${told}`);
  return told;
}

function invalid(message: string): DepotError {
  return new DepotError('MANIFEST_INVALID', message);
}
