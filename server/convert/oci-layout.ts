/** Images in a folder. OCI image specification, image-layout.md. */
import { createReadStream } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { openRegularFile } from '../disk/safe-path.js';
import { DepotError, fileError } from '../errors.js';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import { type Descriptor, parseManifest } from '../oci/manifest.js';
import { OCI_INDEX } from '../oci/media-type.js';
import { isTag, type Tag } from '../oci/reference.js';
import { checkedBytes } from '../stream/checked-bytes.js';
import { chooseImage } from './choose-image.js';
import { imageInvalid } from './image-invalid.js';
import { JSON_LIMIT_BYTES } from './limits.js';
import type { Platform } from './platform.js';
import { parseImageReference } from './reference.js';
import type { ImageReference, ImageSource, LayerBlob } from './source.js';

/** Where names stand in a layout: the first is the specification's, the second containerd's. */
const NAME_ANNOTATIONS = ['org.opencontainers.image.ref.name', 'io.containerd.image.name'] as const;
const READ_BYTES = 256 * 1024;

/** Which image of a layout. */
export interface LayoutChoice {
  readonly folder: string;
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
export async function openOciLayout(choice: LayoutChoice): Promise<ImageSource> {
  const { folder, platform } = choice;
  const named = select(await readIndex(folder), choice.ref);
  const { digest, manifest, config } = await chooseImage(named, platform, (descriptor) =>
    readSmall(folder, descriptor),
  );
  const layers = manifest.layers.map((layer) => layerBlob(folder, layer));
  const reference = choice.reference ?? referenceOf(folder, named);
  const imageId = manifest.layers.at(-1)?.digest ?? '';
  return { reference, generation: 'new', manifestHash: digest, imageId, config, layers };
}

async function readIndex(folder: string): Promise<readonly Descriptor[]> {
  const path = join(folder, 'index.json');
  const bytes = await readFileOf(path, JSON_LIMIT_BYTES);
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

/** A full name in the index, else the folder's up to its first dot, with the name in the index as its tag. */
function referenceOf(folder: string, [first]: readonly Descriptor[]): ImageReference {
  const names = first === undefined ? [] : namesOf(first);
  const full = names.find((name) => name.includes('/'));
  if (full !== undefined) return parseImageReference(full);
  const repository = basename(resolve(folder))
    .replace(/(?<=.)\..*$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  return { host: undefined, repository: repository || 'image', tag: tagOf(names[0]), typed: undefined };
}

function tagOf(name: string | undefined): Tag | undefined {
  const tag = name ?? 'latest';
  return isTag(tag) ? tag : undefined;
}

function layerBlob(folder: string, { digest, size }: Descriptor): LayerBlob {
  return { digest, size, name: digest, open: () => readBlob(folder, digest) };
}

async function readSmall(folder: string, { digest, size }: Descriptor): Promise<Buffer> {
  if (size > JSON_LIMIT_BYTES) {
    throw imageInvalid(`${digest} has ${size} bytes, expected JSON of at most ${JSON_LIMIT_BYTES}`);
  }
  const bytes = checkedBytes(readBlob(folder, digest), { digest, size, name: digest });
  return buffer(bytes);
}

async function* readBlob(folder: string, digest: Digest): AsyncGenerator<Uint8Array> {
  const path = join(folder, 'blobs', algorithmOf(digest), hexOf(digest));
  try {
    yield* await openStream(path);
  } catch (error) {
    const failure = fileError(error, path);
    if (failure.code !== 'NOT_FOUND') throw failure;
    throw imageInvalid(`the blob ${digest} is not in the layout ${folder}`);
  }
}

async function openStream(path: string) {
  const { handle } = await openRegularFile(await realpath(path));
  return handle.createReadStream({ highWaterMark: READ_BYTES });
}

async function readFileOf(path: string, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let count = 0;
  try {
    for await (const part of createReadStream(path)) {
      const bytes = Buffer.from(part);
      count += bytes.length;
      if (count > limit) throw imageInvalid(`${path} has more than ${limit} bytes`);
      parts.push(bytes);
    }
  } catch (error) {
    throw fileError(error, path);
  }
  return Buffer.concat(parts);
}
