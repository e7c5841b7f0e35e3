/** Images in a folder, or in an archive of one. OCI image specification, image-layout.md. */
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { DepotError } from '../errors.js';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { type Descriptor, parseManifest } from '../oci/manifest.js';
import { OCI_INDEX } from '../oci/media-type.js';
import { checkedBytes } from '../stream/checked-bytes.js';
import { chooseImage } from './choose-image.js';
import { type ImageFiles, readJsonBytes } from './image-files.js';
import { imageInvalid } from './image-invalid.js';
import { JSON_LIMIT_BYTES } from './limits.js';
import type { Platform } from './platform.js';
import { fileReference, parseImageReference } from './reference.js';
import type { ImageReference, ImageSource, LayerBlob } from './source.js';

/** Where names stand in a layout: the first is the specification's, the second containerd's. */
const NAME_ANNOTATIONS = ['org.opencontainers.image.ref.name', 'io.containerd.image.name'] as const;

/** Which image of a layout. */
export interface LayoutChoice {
  /** The name that the layout's index has for it; `undefined`: there is only one. */
  readonly ref?: string | undefined;
  readonly platform?: Platform | undefined;
  /** What the image is called, where the layout does not know or knows another name. */
  readonly reference?: ImageReference | undefined;
}

/**
 * Opens an image of a layout.
 *
 * @throws DepotError `IMAGE_INVALID`: no layout, no such image or several, a blob that is missing or not what its digest
 *   says; `MANIFEST_INVALID`; `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function openOciLayout(files: ImageFiles, choice: LayoutChoice): Promise<ImageSource> {
  const { platform } = choice;
  const named = select(await readIndex(files), choice.ref);
  const { digest, manifest, config } = await chooseImage(named, platform, (descriptor) =>
    readSmall(files, descriptor),
  );
  const layers = manifest.layers.map((layer) => layerBlob(files, layer));
  const reference = choice.reference ?? referenceOf(files, named);
  const imageId = manifest.layers.at(-1)?.digest ?? '';
  return {
    reference,
    generation: 'new',
    manifestHash: digest,
    imageId,
    config,
    layers,
    close: () => files.close(),
  };
}

async function readIndex(files: ImageFiles): Promise<readonly Descriptor[]> {
  const path = join(files.path, 'index.json');
  const bytes = await readJsonBytes(files, 'index.json');
  try {
    return parseManifest(bytes, OCI_INDEX).manifests;
  } catch (error) {
    if (!(error instanceof DepotError)) throw error;
    throw imageInvalid(`${path}: ${error.message}`);
  }
}

function select(all: readonly Descriptor[], ref: string | undefined): readonly Descriptor[] {
  const wanted =
    ref === undefined ? all : all.filter((one) => namesOf(one).some((name) => isNamed(name, ref)));
  const names = new Set(wanted.flatMap((one) => namesOf(one)[0] ?? []));
  // Several of one name are one image for several platforms.
  if (wanted.length > 0 && (ref !== undefined || wanted.length === 1 || names.size === 1)) return wanted;
  const offer = [...new Set(all.flatMap((one) => namesOf(one)[0] ?? one.digest))].join(', ');
  const what =
    ref === undefined ? 'the layout has several images, expected one or oci:DIR:REF' : `no image ${ref}`;
  throw imageInvalid(`${all.length === 0 ? 'the layout has no images' : what}; there is ${offer || 'none'}`);
}

function namesOf({ annotations = {} }: Descriptor): readonly string[] {
  return NAME_ANNOTATIONS.flatMap((key) => annotations[key] ?? []);
}

function isNamed(name: string, ref: string): boolean {
  return name === ref || (name.includes('/') && name.endsWith(`:${ref}`));
}

/** A full name in the index, else that of the folder or archive, with the name in the index as its tag. */
function referenceOf(files: ImageFiles, [first]: readonly Descriptor[]): ImageReference {
  const names = first === undefined ? [] : namesOf(first);
  const full = names.find((name) => name.includes('/'));
  return full === undefined ? fileReference(files.path, names[0]) : parseImageReference(full);
}

function layerBlob(files: ImageFiles, { digest, size }: Descriptor): LayerBlob {
  return { digest, size, name: digest, open: () => readBlob(files, digest) };
}

async function readSmall(files: ImageFiles, { digest, size }: Descriptor): Promise<Buffer> {
  if (size > JSON_LIMIT_BYTES) {
    throw imageInvalid(`${digest} has ${size} bytes, expected JSON of at most ${JSON_LIMIT_BYTES}`);
  }
  const bytes = checkedBytes(readBlob(files, digest), { digest, size, name: digest });
  return buffer(bytes);
}

async function* readBlob(files: ImageFiles, digest: Digest): AsyncGenerator<Uint8Array> {
  try {
    yield* files.open(join('blobs', algorithmOf(digest), hexOf(digest)));
  } catch (error) {
    if (!(error instanceof DepotError) || error.code !== 'NOT_FOUND') throw error;
    throw imageInvalid(`the blob ${digest} is not in the layout ${files.path}`);
  }
}
