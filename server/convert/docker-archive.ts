/** Images as `docker save` writes them, in all its generations, and skopeo. Docker image specification v1 to v1.3. */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { type Digest, digestOf } from '../oci/digest.js';
import { expectPlatform } from './choose-image.js';
import { parseImageConfig } from './config.js';
import {
  type ArchivedImage,
  type Repositories,
  readManifest,
  readOldImage,
  readRepositories,
} from './docker-archive-json.js';
import { readJsonBytes } from './image-files.js';
import { imageInvalid } from './image-invalid.js';
import type { Platform } from './platform.js';
import { fileReference, parseImageReference } from './reference.js';
import type { ImageReference, ImageSource, LayerBlob } from './source.js';
import type { TarFiles } from './tar-files.js';

/** Which image of an archive. */
export interface ArchiveChoice {
  /** `repository:tag` or a tag; `undefined`: there is only one image. */
  readonly ref?: string | undefined;
  readonly platform?: Platform | undefined;
  /** What the image is called instead. */
  readonly reference?: ImageReference | undefined;
}

/** An image, and the name by which it was chosen. */
interface Chosen {
  readonly image: ArchivedImage;
  readonly name: string | undefined;
}

/**
 * Opens an image of an archive. Where its layers have IDs of their own it is one of the old kind.
 *
 * @throws DepotError `IMAGE_INVALID`: no such archive, no such image or several (the message lists them), a member that is
 *   missing or not what its name says, parents in a circle
 */
export async function openDockerArchive(files: TarFiles, choice: ArchiveChoice): Promise<ImageSource> {
  const repositories = files.has('repositories') ? await readRepositories(files) : {};
  const images = files.has('manifest.json')
    ? await readManifest(files)
    : await oldImages(files, repositories);
  const chosen = select(files, images, choice.ref);
  const common = {
    reference: choice.reference ?? referenceOf(files, chosen.name),
    layers: chosen.image.layers.map((name) => layerOf(files, name)),
    close: () => files.close(),
  };
  const kind = await kindOf(files, chosen, topOf(files, chosen, repositories));
  expectPlatform(kind.config, choice.platform);
  return { ...common, ...kind };
}

/** What the old and the new kind say each in its own way. */
type Kind = Pick<
  ImageSource,
  'generation' | 'manifestHash' | 'imageId' | 'parentImageId' | 'config' | 'diffIds'
>;

async function kindOf(files: TarFiles, { image }: Chosen, top: string | undefined): Promise<Kind> {
  const named = image.config === undefined ? undefined : await readConfig(files, image.config);
  const diffIds = named && parseImageConfig(named.config).rootfs?.diff_ids;
  if (top !== undefined) {
    const { bytes, parent } = await readOldImage(files, top);
    const ids = { manifestHash: top, imageId: top, parentImageId: parent };
    return { generation: 'old', ...ids, config: bytes, diffIds };
  }
  if (named === undefined) throw imageInvalid(`${files.path} has no config for its image`);
  const ids = { manifestHash: named.digest, imageId: diffIds?.at(-1) ?? '' };
  return { generation: 'new', ...ids, config: named.config, diffIds };
}

/** Images of before `manifest.json`: a chain of layers for each tag. */
async function oldImages(files: TarFiles, repositories: Repositories): Promise<ArchivedImage[]> {
  const images: ArchivedImage[] = [];
  for (const [repository, tags] of Object.entries(repositories)) {
    for (const [tag, top] of Object.entries(tags)) {
      const layers = await chainOf(files, top);
      images.push({ config: undefined, names: [`${repository}:${tag}`], layers });
    }
  }
  return images;
}

/** @returns members, base first */
async function chainOf(files: TarFiles, top: string): Promise<string[]> {
  const ids = new Set<string>();
  for (let id: string | undefined = top; id !== undefined; id = (await readOldImage(files, id)).parent) {
    if (ids.has(id)) throw imageInvalid(`${files.path}: the layer ${id} is its own parent`);
    ids.add(id);
  }
  return [...ids].reverse().map((id) => `${id}/layer.tar`);
}

function select(files: TarFiles, images: readonly ArchivedImage[], ref: string | undefined): Chosen {
  const [only] = images;
  if (ref === undefined && images.length === 1 && only !== undefined) {
    return { image: only, name: latestOf(only.names) };
  }
  const all = images.flatMap((image) => image.names.map((name) => ({ image, name })));
  const found = ref === undefined ? [] : all.filter(({ name }) => isNamed(name, ref));
  const [first] = found;
  if (first !== undefined && found.every(({ image }) => image === first.image)) return first;
  const offer = all.map(({ name }) => name).join(', ');
  const what = ref === undefined || found.length > 1 ? 'has several images, name one' : `has no image ${ref}`;
  throw imageInvalid(
    images.length === 0
      ? `${files.path} has no images`
      : `${files.path} ${what}; there is ${offer || 'none with a name'}`,
  );
}

function latestOf(names: readonly string[]): string | undefined {
  return names.find((name) => name.endsWith(':latest')) ?? names[0];
}

/** By its whole name, written in any way that means it, or by its tag alone. */
function isNamed(name: string, ref: string): boolean {
  if (name === ref || (!/[/:]/.test(ref) && name.endsWith(`:${ref}`))) return true;
  const [one, other] = [parseImageReference(name), parseImageReference(ref)];
  return one.host === other.host && one.repository === other.repository && one.tag === other.tag;
}

/** The host of a name in an archive is nobody's claim: it is left out. */
function referenceOf(files: TarFiles, name: string | undefined): ImageReference {
  if (name === undefined) return fileReference(files.path, undefined);
  const { repository, tag } = parseImageReference(name);
  return { host: undefined, repository, tag, typed: undefined };
}

/** The ID of the top layer, if the archive still has its `json`. */
function topOf(files: TarFiles, { image, name }: Chosen, repositories: Repositories): string | undefined {
  const colon = name?.lastIndexOf(':') ?? -1;
  const noted = name && repositories[name.slice(0, colon)]?.[name.slice(colon + 1)];
  const top = noted ?? posix.dirname(image.layers.at(-1) ?? '');
  return /^[0-9a-f]{64}$/.test(top) && files.has(`${top}/json`) ? top : undefined;
}

/** A config is called by its digest. */
async function readConfig(
  files: TarFiles,
  name: string,
): Promise<{ readonly config: Buffer; readonly digest: Digest }> {
  files.sizeOf(name);
  const config = await readJsonBytes(files, name);
  const hex = createHash('sha256').update(config).digest('hex');
  const [told = hex] = /[0-9a-f]{64}(?=(?:\.json)?$)/.exec(name) ?? [];
  if (told !== hex) throw imageInvalid(`${files.path}: ${name} has the digest sha256:${hex}`);
  return { config, digest: digestOf('sha256', hex) };
}

function layerOf(files: TarFiles, name: string): LayerBlob {
  return { digest: undefined, size: files.sizeOf(name), name, open: () => files.open(name) };
}
